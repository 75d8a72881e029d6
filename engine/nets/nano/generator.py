"""The nano generator: linear codes make a portrait at half size, styled convolutions the rest.

What StyleGAN2 (Karras et al. 2020) has is kept where detail is made: modulated and demodulated
convolutions (section 2.2), colours as a sum over levels (section 4), noise. Its constant start and
its coarse levels are replaced by `PortraitBase`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.loading import built
from engine.nets.nano.base import BaseSpec, PortraitBase, enlarged
from engine.nets.style import NoiseSource, StyleDecoder

RGB = 3
FINER = 4  # pixels of the portrait in one of the finest maps, which are half as wide
STYLED = 4  # modulated convolutions, each with a style of its own
NOISE_START = 0.2


@dataclass(frozen=True, slots=True)
class NanoGeneratorSpec:
    """The linear base, width of a style, and channels at a quarter and at half of the side."""

    base: BaseSpec = field(default_factory=BaseSpec)
    style_width: int = 128
    coarse: int = 96
    fine: int = 64

    def __post_init__(self) -> None:
        if self.base.numbers % self.style_width:
            raise ValueError(
                f"{self.base.numbers} linear codes do not fill styles of {self.style_width}"
            )

    @property
    def size(self) -> int:
        """Side of the portrait in px."""
        return self.base.size

    @property
    def linear(self) -> int:
        """Style vectors that hold linear codes; they come first."""
        return self.base.numbers // self.style_width

    @property
    def n_latent(self) -> int:
        """Style vectors of a portrait."""
        return self.linear + STYLED

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict."""
        try:
            width = state["coarse_1.style.weight"].shape[1]
            coarse, fine = (state[f"{name}.weight"].shape[0] for name in ("enter", "skip"))
            return cls(BaseSpec.of(state, prefix="base."), width, coarse, fine)
        except KeyError as error:
            raise WeightsError(
                f"{error} is missing: these are no weights of a nano generator"
            ) from error


class StyledConv(nn.Module):
    """A 3x3 convolution whose weights a style scales, back to unit variance, then leaky ReLU.

    The map is scaled before and after in place of the weights, which is the same (StyleGAN2,
    section 2.2) and keeps one convolution for the whole batch.
    """

    def __init__(self, inputs: int, outputs: int, style_width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3) / math.sqrt(9 * inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = nn.Linear(style_width, inputs)
        nn.init.normal_(self.style.weight, 0, 0.3 / math.sqrt(style_width))
        nn.init.ones_(self.style.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale = self.style(style)
        energy = scale.float().square() @ self.weight.float().square().sum(dim=(2, 3)).T
        gain = math.sqrt(2) * torch.rsqrt(energy + 1e-6)
        y = F.conv2d(x * scale[:, :, None, None].to(x.dtype), self.weight, padding=1)
        bias = self.bias[None, :, None, None].to(y.dtype)
        y = torch.addcmul(bias, y, gain[:, :, None, None].to(y.dtype))
        return F.leaky_relu(y, 0.2, inplace=True)


class NoiseInput(nn.Module):
    """Noise beside the map, scaled at each place by the map: grain, pores, hair."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.loudness = nn.Conv2d(channels, FINER, 1)
        nn.init.normal_(self.loudness.weight, 0, 0.05)
        assert self.loudness.bias is not None
        nn.init.constant_(self.loudness.bias, NOISE_START)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        return torch.cat([x, self.loudness(x) * noise.to(x.dtype)], dim=1)


class NanoGenerator(StyleDecoder):
    """w+ (b, n_latent, style width) to portraits (b, 3, size, size), about [-1, 1]."""

    def __init__(self, spec: NanoGeneratorSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = NanoGeneratorSpec() if spec is None else spec
        coarse, fine, width = spec.coarse, spec.fine, spec.style_width
        self.base = PortraitBase(spec.base)
        self.enter = nn.Conv2d(RGB * FINER, coarse, 3, padding=1)
        self.coarse_1 = StyledConv(coarse, coarse, width)
        self.coarse_2 = StyledConv(coarse, coarse, width)
        self.finer = nn.Conv2d(coarse, 2 * fine, 3, padding=1)
        self.widen = nn.Conv2d(fine // 2, fine, 1)
        self.skip = nn.Conv2d(RGB, fine, 3, padding=1)
        self.strands = NoiseInput(fine)
        self.fine_1 = StyledConv(fine + FINER, fine, width)
        self.fine_2 = StyledConv(fine, fine, width)
        self.grain = NoiseInput(fine)
        self.to_rgb = nn.Conv2d(fine + FINER, RGB * FINER, 3, padding=1)
        # A start near the enlarged base: detail is learned on top of what is right already.
        nn.init.normal_(self.to_rgb.weight, 0, 0.01)
        assert self.to_rgb.bias is not None
        nn.init.zeros_(self.to_rgb.bias)
        self.noises = nn.Module()
        self.noises.register_buffer("noise_0", torch.randn(1, 1, spec.size, spec.size))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The generator that a state dict describes, holding its tensors."""
        spec = NanoGeneratorSpec.of(state)
        return built(lambda: cls(spec), state, name=f"a nano generator of {spec.size} px")

    @property
    def shape(self) -> NanoGeneratorSpec:
        """What goes in and what comes out."""
        return self.spec

    def stored_noise(self) -> list[Tensor]:
        """The plane of noise kept with the weights, (1, 1, size, size)."""
        return [self.noises.get_buffer("noise_0")]

    def fresh_noise(self, batch: int, draw: torch.Generator) -> list[Tensor]:
        """A new plane of noise for each picture, (batch, 1, size, size)."""
        size, device = self.spec.size, self.to_rgb.weight.device
        noise = torch.randn(batch, 1, size, size, generator=draw, device=draw.device)
        return [noise.to(device)]

    def random_codes(self, batch: int, draw: torch.Generator) -> Tensor:
        """w+ (batch, n_latent, style width): normal, as the linear codes of portraits are."""
        shape = (batch, self.spec.n_latent, self.spec.style_width)
        return torch.randn(shape, generator=draw, device=draw.device).to(self.to_rgb.weight.device)

    def forward(self, w_plus: Tensor, *, noise: NoiseSource = "stored") -> Tensor:
        spec = self.spec
        if w_plus.shape[1:] != (spec.n_latent, spec.style_width):
            wanted = f"(b, {spec.n_latent}, {spec.style_width})"
            raise ValueError(f"w+ must be {wanted}, not {tuple(w_plus.shape)}")
        match noise:
            case "stored":
                (plane,) = self.stored_noise()
            case torch.Generator():
                (plane,) = self.fresh_noise(len(w_plus), noise)
            case _:
                (plane,) = noise
        base = self.base(w_plus[:, : spec.linear].flatten(1))
        return enlarged(base, 2) + self.detail(base, w_plus[:, spec.linear :], plane)

    def detail(self, base: Tensor, styles: Tensor, plane: Tensor) -> Tensor:
        """What the portrait (b, 3, size, size) has beyond its enlarged base (b, 3, half, half).

        Styles are brought to mean 0 and variance 1: no step in them leaves what was learned.
        """
        styles = F.layer_norm(styles.float(), styles.shape[2:])
        plane = _in_order(F.pixel_unshuffle(plane, 2)).expand(len(base), -1, -1, -1)
        x = F.leaky_relu(self.enter(_in_order(F.pixel_unshuffle(2 * base, 2))), 0.2)
        x = self.coarse_1(x, styles[:, 0])
        x = x + self.coarse_2(x, styles[:, 1])
        x = self.widen(_in_order(F.pixel_shuffle(self.finer(x), 2)))
        x = F.leaky_relu(x + self.skip(_in_order(2 * base)), 0.2)
        x = self.fine_1(self.strands(x, plane), styles[:, 2])
        x = x + self.fine_2(x, styles[:, 3])
        return F.pixel_shuffle(self.to_rgb(self.grain(x, plane)), 2).float()


def _in_order(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
