"""The discriminator of landscapes: real or painted, and which valence and arousal it sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.landscapes.nets.eru import SLOPE
from engine.landscapes.nets.generator import SMALLEST
from engine.landscapes.nets.growth import Fade
from engine.nets.loading import built

GROUP = 4
FAINT = 1e-8
HIDDEN = 64


class Verdict(NamedTuple):
    """Logits (b,), above 0 for a real picture, and places (b, 2) read off the pictures alone."""

    logits: Tensor
    places: Tensor


@dataclass(frozen=True, slots=True)
class DiscriminatorSpec:
    """Widths of the maps from full size down to 4 px, and whether places are asked for.

    spectral: divide every weight by its largest singular value (Miyato et al. 2018); batch_spread:
    show the last map how much a batch varies; convs: convolutions of a block. gain: factor behind
    each activation, without which a deep spectral stack passes next to nothing; free_reader: leave
    the reader of places out of the spectral norm, for a bounded one hardly moves from the middle.
    """

    widths: tuple[int, ...] = (64, 64, 128, 256, 512, 512)
    convs: int = 2
    projection: bool = True
    spectral: bool = True
    batch_spread: bool = True
    gain: float = 1.0
    free_reader: bool = False
    grown: bool = False
    """Whether the first block fades in over a network of half the side."""

    @property
    def size(self) -> int:
        """Side of the pictures in px."""
        return SMALLEST * 2 ** (len(self.widths) - 1)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict; WeightsError where it is none of a discriminator."""
        if "entry.weight" not in state or "reader.weight" not in state:
            raise WeightsError("`entry.weight` is missing: these are no weights of a discriminator")
        widths, at = [state["entry.weight"].shape[0]], 0
        convs = 1 + (f"blocks.{at}.1.weight" in state)
        while (key := f"blocks.{at}.{convs - 1}.weight") in state:
            widths.append(state[key].shape[0])
            at += 1
        last = state[f"blocks.{at - 1}.{convs - 1}.weight"].shape[0]
        return cls(
            widths=tuple(widths[:-1]),
            convs=convs,
            projection="asked.2.weight" in state,
            spectral="entry.vector" in state,
            batch_spread=state["reader.weight"].shape[1] == last + 1,
            gain=round(float(state["gain"]), 6),
            free_reader="entry.vector" in state and "reader.vector" not in state,
            grown="before.weight" in state,
        )


class Spectral(nn.Conv2d):
    """A convolution whose weight is divided by its largest singular value, by power iteration.

    One iteration a forward in training; in eval mode nothing moves. `on` False leaves it plain.
    """

    def __init__(self, inputs: int, outputs: int, side: int, *, on: bool) -> None:
        super().__init__(inputs, outputs, side, padding=side // 2)
        if on:
            self.register_buffer("vector", F.normalize(torch.randn(outputs), dim=0))

    def forward(self, input: Tensor) -> Tensor:
        if "vector" not in self._buffers:
            return super().forward(input)
        # Half precision would let the norm drift: the iteration multiplies its own errors.
        with torch.autocast(input.device.type, enabled=False):
            weight = self.weight.float()
            weight = weight / self._norm(weight.flatten(1))
        return F.conv2d(input, weight.to(input.dtype), self.bias, padding=self.padding)

    def _norm(self, matrix: Tensor) -> Tensor:
        with torch.no_grad():
            left = self.get_buffer("vector").float()
            right = F.normalize(left @ matrix, dim=0)
            if self.training:
                left = F.normalize(matrix @ right, dim=0)
                self.get_buffer("vector").copy_(left)
        return left.clone() @ matrix @ right


class LandscapeDiscriminator(nn.Module):
    """Pictures (b, 3, s, s) in [-1, 1] and the places asked for (b, 2) to a verdict.

    The place enters by a projection of the logit (Miyato and Koyama 2018), behind everything that
    the reader of places sees: it cannot copy what it is to read.
    """

    def __init__(self, spec: DiscriminatorSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = DiscriminatorSpec() if spec is None else spec

        def conv(inputs: int, outputs: int, side: int, *, free: bool = False) -> Spectral:
            return Spectral(inputs, outputs, side, on=spec.spectral and not free)

        self.entry = conv(3, spec.widths[0], 1)
        self.before = conv(3, spec.widths[1], 1) if spec.grown else None
        self.fade = Fade() if spec.grown else None
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                conv(inputs, outputs if at == spec.convs - 1 else inputs, 3)
                for at in range(spec.convs)
            )
            for inputs, outputs in pairwise((*spec.widths, spec.widths[-1]))
        )
        last = spec.widths[-1] + spec.batch_spread
        self.real = conv(last, 1, 1)
        self.reader = conv(last, 2, 1, free=spec.free_reader)
        self.dropped = nn.Dropout2d(0.3)
        if spec.projection:
            self.asked = nn.Sequential(
                nn.Linear(2, HIDDEN), nn.LeakyReLU(SLOPE), nn.Linear(HIDDEN, spec.widths[-1])
            )
        self.register_buffer("gain", torch.tensor(spec.gain))
        self.register_buffer("augment", torch.zeros(()))
        """Chance of an augmentation, as the adaptive rule left it."""
        self.register_buffer("flagged", torch.zeros(()))
        """Validations in a row that raised red flags: a resumed run counts on."""

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        spec = DiscriminatorSpec.of(state)
        return built(lambda: cls(spec), state, name="a landscape discriminator")

    def features(self, picture: Tensor) -> Tensor:
        """The last map, averaged over its places: (b, width)."""
        gain = self.get_buffer("gain").to(picture.dtype)
        x = gain * F.leaky_relu(self.entry(picture), SLOPE)
        for at, block in enumerate(self.blocks):
            assert isinstance(block, nn.ModuleList)
            for convolution in block:
                x = gain * F.leaky_relu(convolution(x), SLOPE)
            if at < len(self.blocks) - 1:
                x = F.avg_pool2d(x, 2)
            if at == 0:
                x = self._faded(x, picture, gain)
        return x.mean(dim=(2, 3)) if not self.spec.batch_spread else self._spread(x)

    def forward(self, picture: Tensor, places: Tensor) -> Verdict:
        found = self.features(picture)
        pooled = found[:, :, None, None]
        logits = self.real(pooled).flatten().float()
        if self.spec.projection:
            width = self.spec.widths[-1]
            wanted = self.asked(places.to(picture.dtype))
            logits = logits + (wanted.float() * found[:, :width].float()).sum(dim=1) / width**0.5
        told = torch.sigmoid(self.reader(self.dropped(pooled)).flatten(1).float())
        return Verdict(logits, told)

    def _faded(self, x: Tensor, picture: Tensor, gain: Tensor) -> Tensor:
        """The map behind the first block, mixed with what a smaller network begins with."""
        if self.fade is None or self.before is None or (share := self.fade.share) >= 1:
            return x
        return torch.lerp(
            gain * F.leaky_relu(self.before(F.avg_pool2d(picture, 2)), SLOPE), x, share
        )

    def _spread(self, x: Tensor) -> Tensor:
        pooled = x.mean(dim=(2, 3))
        return torch.cat([pooled, batch_spread(x).to(pooled.dtype)], dim=1)


def batch_spread(x: Tensor) -> Tensor:
    """How much each group of a batch (b, c, h, w) varies, (b, 1): minibatch standard deviation.

    Karras et al. 2018, section 3. Groups of 4, or the largest number below that divides the batch;
    a batch of one does not vary. The root is taken where its slope is finite.
    """
    count = next(g for g in range(min(GROUP, len(x)), 0, -1) if len(x) % g == 0)
    groups = x.float().unflatten(0, (count, -1))
    variance = (groups - groups.mean(dim=0, keepdim=True)).square().mean(dim=0)
    spread = (variance + FAINT).sqrt().mean(dim=(1, 2, 3))
    return spread.repeat(count)[:, None]
