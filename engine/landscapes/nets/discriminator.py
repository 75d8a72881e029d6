"""The discriminator of landscapes, with an auxiliary head for valence and arousal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.landscapes.nets.eru import NEGATIVE_SLOPE, GatedMap, GateEru
from engine.landscapes.nets.generator import SMALLEST
from engine.landscapes.nets.growth import Fade
from engine.nets.loading import built

GROUP = 4
EPSILON = 1e-8
HIDDEN = 64


class DiscriminatorOutput(NamedTuple):
    """Logits (b,), above 0 for real, and valence and arousal (b, 2) predicted from the image.

    attention: what the emotional residual units attend to, finest first; none without them.
    """

    logits: Tensor
    va: Tensor
    attention: tuple[GatedMap, ...] = ()


@dataclass(frozen=True, slots=True)
class DiscriminatorSpec:
    """Widths of the feature maps from full size down to 4 px, and the options of the blocks.

    convs: convolutions of a block; projection: condition the logit on valence and arousal;
    spectral_norm: divide every weight by its largest singular value (Miyato et al. 2018);
    minibatch_std: append the minibatch standard deviation to the last map; gain: factor after each
    activation, which makes up for the decay of a deep spectrally normalised stack;
    unconstrained_va_head: no spectral norm on the valence-arousal head, whose output otherwise
    stays near 0.5; units: a gated emotional residual unit beside each block (Park and Lee 2020).
    """

    widths: tuple[int, ...] = (64, 64, 128, 256, 512, 512)
    convs: int = 2
    projection: bool = True
    spectral_norm: bool = True
    minibatch_std: bool = True
    gain: float = 1.0
    unconstrained_va_head: bool = False
    units: bool = False
    grown: bool = False
    """Whether the first block fades in over a network of half the size."""

    @property
    def size(self) -> int:
        """Side of the images in px."""
        return SMALLEST * 2 ** (len(self.widths) - 1)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict; WeightsError if it is not a discriminator's."""
        if "entry.weight" not in state or "reader.weight" not in state:
            raise WeightsError(
                "`entry.weight` is missing: these are not the weights of a discriminator"
            )
        widths, block = [state["entry.weight"].shape[0]], 0
        convs = 1 + (f"blocks.{block}.1.weight" in state)
        while (key := f"blocks.{block}.{convs - 1}.weight") in state:
            widths.append(state[key].shape[0])
            block += 1
        last = state[f"blocks.{block - 1}.{convs - 1}.weight"].shape[0]
        return cls(
            widths=tuple(widths[:-1]),
            convs=convs,
            projection="asked.2.weight" in state,
            spectral_norm="entry.vector" in state,
            minibatch_std=state["reader.weight"].shape[1] == last + 1,
            gain=round(float(state["gain"]), 6),
            unconstrained_va_head="entry.vector" in state and "reader.vector" not in state,
            units="units.0.merge.weight" in state,
            grown="before.weight" in state,
        )


class SpectralNormConv2d(nn.Conv2d):
    """A convolution whose weight is divided by its largest singular value, by power iteration.

    One iteration per forward pass in training, none in eval mode; `on` False: a plain convolution.
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
    """Images (b, 3, s, s) in [-1, 1] and their condition (b, 2) to logits, valence and arousal.

    The condition enters the logit by projection (Miyato and Koyama 2018), after the features that
    the valence-arousal head reads: the head cannot copy it. Therefore the units stand beside the
    blocks, and add to the logit alone.
    """

    def __init__(self, spec: DiscriminatorSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = DiscriminatorSpec() if spec is None else spec

        def conv(
            inputs: int, outputs: int, side: int, *, normed: bool = True
        ) -> SpectralNormConv2d:
            return SpectralNormConv2d(inputs, outputs, side, on=spec.spectral_norm and normed)

        self.entry = conv(3, spec.widths[0], 1)
        self.before = conv(3, spec.widths[1], 1) if spec.grown else None
        self.fade = Fade() if spec.grown else None
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                conv(inputs, outputs if index == spec.convs - 1 else inputs, 3)
                for index in range(spec.convs)
            )
            for inputs, outputs in pairwise((*spec.widths, spec.widths[-1]))
        )
        widths = (*spec.widths[1:], spec.widths[-1]) if spec.units else ()
        self.units = nn.ModuleList(GateEru(w, lambda i, o: conv(i, o, 3)) for w in widths)
        self.attended = nn.ModuleList(conv(w, 1, 1) for w in widths)
        last = spec.widths[-1] + spec.minibatch_std
        self.real = conv(last, 1, 1)
        self.reader = conv(last, 2, 1, normed=not spec.unconstrained_va_head)
        self.dropout = nn.Dropout2d(0.3)
        if spec.projection:
            self.asked = nn.Sequential(
                nn.Linear(2, HIDDEN),
                nn.LeakyReLU(NEGATIVE_SLOPE),
                nn.Linear(HIDDEN, spec.widths[-1]),
            )
        self.register_buffer("gain", torch.tensor(spec.gain))
        self.register_buffer("augment", torch.zeros(()))
        """Augmentation probability, as the adaptive rule left it."""
        self.register_buffer("flagged", torch.zeros(()))
        """Consecutive validations with red flags; a resumed run continues the count."""

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        spec = DiscriminatorSpec.of(state)
        return built(lambda: cls(spec), state, name="a landscape discriminator")

    def features(self, picture: Tensor) -> Tensor:
        """The last feature map, averaged over its pixels: (b, width)."""
        *_, last = self._maps(picture)
        return self._pooled(last)

    def _maps(self, picture: Tensor) -> Iterator[Tensor]:
        """The feature map after each block."""
        gain = self.get_buffer("gain").to(picture.dtype)
        x = gain * F.leaky_relu(self.entry(picture), NEGATIVE_SLOPE)
        for index, block in enumerate(self.blocks):
            assert isinstance(block, nn.ModuleList)
            for convolution in block:
                x = gain * F.leaky_relu(convolution(x), NEGATIVE_SLOPE)
            if index < len(self.blocks) - 1:
                x = F.avg_pool2d(x, 2)
            if index == 0:
                x = self._faded(x, picture, gain)
            yield x

    def _pooled(self, x: Tensor) -> Tensor:
        """A map averaged over its pixels, with the spread of its batch."""
        pooled = x.mean(dim=(2, 3))
        if not self.spec.minibatch_std:
            return pooled
        return torch.cat([pooled, minibatch_std(x).to(pooled.dtype)], dim=1)

    def forward(self, picture: Tensor, va: Tensor) -> DiscriminatorOutput:
        maps = list(self._maps(picture))
        features = self._pooled(maps[-1])
        pooled = features[:, :, None, None]
        logits = self.real(pooled).flatten().float()
        if self.spec.projection:
            width = self.spec.widths[-1]
            embedding = self.asked(va.to(picture.dtype)).float()
            projected = (embedding * features[:, :width].float()).sum(dim=1)
            logits = logits + projected / width**0.5
        predicted = torch.sigmoid(self.reader(self.dropout(pooled)).flatten(1).float())
        attention = self._attention(maps, va) if self.spec.units else ()
        share = 1.0 if self.fade is None else self.fade.share
        for gated, head in zip(attention, self.attended, strict=True):
            attended = head(gated.output.mean(dim=(2, 3), keepdim=True)).flatten().float()
            logits, share = logits + share * attended, 1.0  # the first unit fades in
        return DiscriminatorOutput(logits, predicted, attention)

    def _attention(self, maps: list[Tensor], va: Tensor) -> tuple[GatedMap, ...]:
        gated: list[GatedMap] = []
        for unit, x in zip(self.units, maps, strict=True):
            assert isinstance(unit, GateEru)
            gated.append(unit.gated(x, va))
        return tuple(gated)

    def _faded(self, x: Tensor, picture: Tensor, gain: Tensor) -> Tensor:
        """The map after the first block, blended with the input layer of the smaller network."""
        if self.fade is None or self.before is None or (share := self.fade.share) >= 1:
            return x
        return torch.lerp(
            gain * F.leaky_relu(self.before(F.avg_pool2d(picture, 2)), NEGATIVE_SLOPE), x, share
        )


def minibatch_std(x: Tensor) -> Tensor:
    """Minibatch standard deviation of (b, c, h, w), (b, 1); near 0 for a batch of one.

    Karras et al. 2018, section 3. Groups of 4, or of the largest number below that divides the
    batch; the root has a finite gradient everywhere.
    """
    count = next(g for g in range(min(GROUP, len(x)), 0, -1) if len(x) % g == 0)
    groups = x.float().unflatten(0, (count, -1))
    variance = (groups - groups.mean(dim=0, keepdim=True)).square().mean(dim=0)
    spread = (variance + EPSILON).sqrt().mean(dim=(1, 2, 3))
    return spread.repeat(count)[:, None]
