"""StyleGAN2's generator under rosinality's state-dict keys (Karras et al. 2020, section 2)."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Self, cast

import torch
from torch import Tensor, nn

from engine.nets.loading import built
from engine.nets.style import NoiseSource, StyleDecoder
from engine.nets.stylegan2.layers import EqualLinear, PixelNorm, StyledConv, ToRGB
from engine.nets.stylegan2.spec import RGB, GeneratorSpec

MAPPING_RATE = (
    0.01  # learning-rate multiplier of the mapping network (Karras et al. 2019, appendix C)
)


class Constant(nn.Module):
    """The learned 4x4 picture that every synthesis starts from."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))


class Generator(StyleDecoder):
    """Style vectors to pictures; call it with w+."""

    def __init__(self, spec: GeneratorSpec) -> None:
        super().__init__()
        self.spec = spec
        width, channels = spec.style_width, spec.channels
        mapping = [
            EqualLinear(width, width, rate=MAPPING_RATE, active=True)
            for _ in range(spec.mapping_layers)
        ]
        self.style = nn.Sequential(PixelNorm(), *mapping)
        self.input = Constant(channels[0])
        self.conv1 = StyledConv(channels[0], channels[0], width)
        self.to_rgb1 = ToRGB(channels[0], width, colours=RGB, up=False)
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        for inputs, outputs in pairwise(channels):
            self.convs.append(StyledConv(inputs, outputs, width, up=True))
            self.convs.append(StyledConv(outputs, outputs, width))
            self.to_rgbs.append(ToRGB(outputs, width, colours=RGB))
        self.noises = nn.Module()
        for index, px in enumerate(spec.noise_sizes):
            self.noises.register_buffer(f"noise_{index}", torch.randn(1, 1, px, px))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The generator that a state dict describes, holding its tensors."""
        spec = GeneratorSpec.of(state)
        return built(lambda: cls(spec), state, name=f"a {spec.size} px StyleGAN2 generator")

    @property
    def shape(self) -> GeneratorSpec:
        """What goes in and what comes out."""
        return self.spec

    def random_codes(self, batch: int, draw: torch.Generator) -> Tensor:
        """w+ (batch, n_latent, style width): one w of the mapping network at every layer."""
        z = torch.randn(batch, self.spec.style_width, generator=draw, device=draw.device)
        return self.repeated(self.map(z.to(self.input.input.device)))

    def map(self, z: Tensor) -> Tensor:
        """Standard normal z (b, style width) to w of the same shape."""
        return self.style(z)

    def repeated(self, w: Tensor) -> Tensor:
        """The same w (b, style width) at every layer: w+ (b, n_latent, style width)."""
        return w[:, None].expand(-1, self.spec.n_latent, -1)

    def mixed(self, coarse: Tensor, fine: Tensor, crossover: int) -> Tensor:
        """w+ with `coarse` (b, style width) in the first `crossover` layers, `fine` in the rest."""
        rest = self.spec.n_latent - crossover
        return torch.cat(
            [coarse[:, None].expand(-1, crossover, -1), fine[:, None].expand(-1, rest, -1)], dim=1
        )

    def mean_w(self, count: int, draw: torch.Generator) -> Tensor:
        """Mean w (style width,) of `count` normal draws, the centre for truncation."""
        z = torch.randn(count, self.spec.style_width, generator=draw, device=draw.device)
        return self.map(z.to(self.input.input.device)).mean(dim=0)

    def stored_noise(self) -> list[Tensor]:
        """The planes of noise in the state dict, one per styled convolution."""
        return [self.noises.get_buffer(f"noise_{i}") for i in range(len(self.spec.noise_sizes))]

    def fresh_noise(self, batch: int, draw: torch.Generator) -> list[Tensor]:
        """New planes (batch, 1, px, px), one per styled convolution."""
        device = self.input.input.device
        return [
            torch.randn(batch, 1, px, px, generator=draw, device=draw.device).to(device)
            for px in self.spec.noise_sizes
        ]

    def forward(self, w_plus: Tensor, *, noise: NoiseSource = "stored") -> Tensor:
        """w+ (b, n_latent, style width) to RGB (b, 3, size, size), about [-1, 1], not clipped."""
        if w_plus.shape[1:] != (self.spec.n_latent, self.spec.style_width):
            wanted = f"(b, {self.spec.n_latent}, {self.spec.style_width})"
            raise ValueError(f"w+ must be {wanted}, not {tuple(w_plus.shape)}")
        match noise:
            case "stored":
                planes = self.stored_noise()
            case torch.Generator():
                planes = self.fresh_noise(len(w_plus), noise)
            case _:
                planes = list(noise)
        x = self.input.input.expand(len(w_plus), -1, -1, -1)
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.conv1(x, w_plus[:, 0], planes[0])
        picture = self.to_rgb1(x, w_plus[:, 1])
        layer = 1
        for up, same, to_rgb in self.blocks():
            x = up(x, w_plus[:, layer], planes[layer])
            x = same(x, w_plus[:, layer + 1], planes[layer + 1])
            picture = to_rgb(x, w_plus[:, layer + 2], picture)
            layer += 2
        return picture

    def blocks(self) -> list[tuple[StyledConv, StyledConv, ToRGB]]:
        """Per doubling of the size: the convolution that doubles, the one after it, the colours."""
        layers = list(zip(self.convs[::2], self.convs[1::2], self.to_rgbs, strict=True))
        return cast("list[tuple[StyledConv, StyledConv, ToRGB]]", layers)


def truncated(w: Tensor, centre: Tensor, strength: float) -> Tensor:
    """`w` (..., style width) drawn towards `centre`: 1 leaves it, 0 gives the centre."""
    return centre + strength * (w - centre)
