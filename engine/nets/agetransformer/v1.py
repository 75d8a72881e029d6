"""AgeTransformer as it was published, under its own state-dict keys.

StyleGAN2's residual blocks as encoder and its mapping network (Karras et al. 2020), StyleSwin's
synthesis (Zhang et al. 2022). The age class is a one-hot vector in planes beside the photograph.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.agetransformer.guidance import guidance, guide_for, guided_by
from engine.nets.agetransformer.published import completed
from engine.nets.agetransformer.windows import attend, relative_index, shift_of
from engine.nets.loading import built
from engine.nets.stylegan2.discriminator import EqualConv, Residual
from engine.nets.stylegan2.layers import (
    Activation,
    EqualLinear,
    ModulatedConv,
    PixelNorm,
    ToRGB,
)
from engine.ops.bias_act import SLOPE

RGB, WINDOW, HEAD = 3, 8, 32
SMALLEST = 16  # px at which the content waits and the synthesis begins
MAPPING, MAPPING_RATE = 8, 0.01
BLOCKS = 2  # a stage


@dataclass(frozen=True, slots=True)
class PublishedSpec:
    """Classes, style width, channels of the encoder from full size to 16 px, and of the stages.

    stages: channels of the synthesis at 16 px and after each doubling; guided: width of the
    embeddings of pictures and captions that guide it, 0 (as published) for none.
    """

    classes: int = 10
    style: int = 512
    encoder: tuple[int, ...] = (512, 512, 512, 512)
    stages: tuple[int, ...] = (512, 512, 512, 512)
    guided: int = 0

    def __post_init__(self) -> None:
        if len(self.encoder) != len(self.stages):
            raise ValueError("the synthesis has to double as often as the encoder halves")

    @property
    def size(self) -> int:
        """Side in px of what goes in and comes out."""
        return SMALLEST * 2 ** (len(self.encoder) - 1)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict."""
        try:
            first = state["convs_e.0.0.weight"]
            widths, stages = [first.shape[0]], list[int]()
            while (key := f"convs_e.{len(widths)}.conv2.1.weight") in state:
                widths.append(state[key].shape[0])
            while (key := f"layers.{len(stages)}.blocks.0.proj.weight") in state:
                stages.append(state[key].shape[0])
            style = state["style.1.weight"].shape[0]
            classes, guided = first.shape[1] - RGB, guided_by(state)
            return cls(classes, style, tuple(widths), tuple(stages), guided)
        except (KeyError, ValueError) as error:
            raise WeightsError(
                f"these are no weights of a published AgeTransformer: {error}",
                hint="check that the file is complete and of this network",
            ) from error


class Level(nn.Module):
    """Two convolutions beside a 1x1 shortcut that keep the size; variance kept."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(EqualConv(inputs, inputs, 3, pad=1), Activation(inputs))
        self.conv2 = nn.Sequential(EqualConv(inputs, outputs, 3, pad=1), Activation(outputs))
        self.skip = nn.Sequential(EqualConv(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)


class Modulated(nn.Module):
    """A styled convolution without noise."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, style)
        self.activate = Activation(outputs)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return F.leaky_relu(self.conv(x, style, self.activate.bias), SLOPE)


class AdaptiveNorm(nn.Module):
    """Every channel to mean 0 and variance 1 over its tokens, then scaled and shifted by the style.

    (b, h, w, c), statistics in float32 (Huang & Belongie 2017, equation 8).
    """

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        self.style = EqualLinear(style, 2 * width)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            gain, offset = self.style(style.float())[:, None, None].chunk(2, dim=-1)
            variance, mean = torch.var_mean(x.float(), dim=(1, 2), correction=0, keepdim=True)
            return (gain * (x.float() - mean) * torch.rsqrt(variance + 1e-5) + offset).to(x.dtype)


class Offsets(nn.Module):
    """The learned bias of two tokens by how far they are apart: (heads, L, L) for one window."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * WINDOW - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, window: int) -> Tensor:
        index = relative_index(window).to(self.relative_position_bias_table.device)
        return self.relative_position_bias_table[index].permute(2, 0, 1)


class ChannelNoise(nn.Module):
    """One random value a channel, the same at every place, as the published code draws it.

    Only while training: the published inference draws too, so that no two runs agree.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        noise = torch.randn(len(x), 1, 1, x.shape[-1], device=x.device, dtype=x.dtype)
        return x + self.weight * noise


class Mlp(nn.Module):
    """Two layers for every token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class SwinBlock(nn.Module):
    """StyleSwin's block: double window attention and a small network, each beside a shortcut."""

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        heads = max(width // HEAD, 4)
        self.norm1 = AdaptiveNorm(width, style)
        self.qkv = nn.Linear(width, 3 * width)
        self.attn = nn.ModuleList(Offsets(heads // 2) for _ in range(2))
        self.noise = ChannelNoise()
        self.proj = nn.Linear(width, width)
        self.norm2 = AdaptiveNorm(width, style)
        self.mlp = Mlp(width)
        self.heads = heads // 2

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        window, shift = shift_of(x.shape[1], WINDOW)
        qkv = self.qkv(self.norm1(x, style)).unflatten(-1, (3, 2, -1))
        attended = [
            attend(
                qkv[..., half, :].flatten(-2),
                heads=self.heads,
                window=window,
                shift=moved,
                bias=offsets(window),
            )
            for half, (offsets, moved) in enumerate(zip(self.attn, (0, shift), strict=True))
        ]
        x = x + self.proj(self.noise(torch.cat(attended, dim=-1)))
        return x + self.mlp(self.norm2(x, style))


class Enlarge(nn.Module):
    """Tokens to twice the side, bilinear, with their places added: (b, h, w, c)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.reduction = nn.Linear(inputs, outputs, bias=False)
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        maps = F.interpolate(
            x.permute(0, 3, 1, 2), scale_factor=2, mode="bilinear", align_corners=False
        )
        x = self.reduction(self.norm(maps.permute(0, 2, 3, 1)))
        return x + (self.alpha * places(x.shape[1], x.shape[-1]).to(self.alpha)).to(x.dtype)


class Stage(nn.Module):
    """Blocks of one size, and the upsampling to the next."""

    def __init__(self, width: int, following: int | None, style: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(SwinBlock(width, style) for _ in range(BLOCKS))
        self.upsample = None if following is None else Enlarge(width, following)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, style)
        return x if self.upsample is None else self.upsample(x)


class PublishedTransformer(nn.Module):
    """Portraits (n, 3, s, s) in [-1, 1] and class weights (n, ages, k) to (n, ages, 3, s, s).

    The class enters at the first convolution, so every age is a whole pass; they run as one batch.
    Captions, where the network is guided, are (n, 2 d + 1) as `Guide` takes them.
    """

    def __init__(self, spec: PublishedSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = PublishedSpec() if spec is None else spec
        deep, width = spec.encoder[-1], spec.style
        self.style = nn.Sequential(
            PixelNorm(),
            *(EqualLinear(width, width, rate=MAPPING_RATE, active=True) for _ in range(MAPPING)),
        )
        self.convs_e = nn.Sequential(
            nn.Sequential(
                EqualConv(RGB + spec.classes, spec.encoder[0], 1), Activation(spec.encoder[0])
            ),
            *(Residual(a, b) for a, b in pairwise(spec.encoder)),
        )
        self.convs_ei = nn.Sequential(Level(deep, deep), Level(deep, deep))
        self.convs_es = nn.Sequential(Residual(deep, deep), Residual(deep, deep))
        self.final_conv = nn.Sequential(EqualConv(deep, width, 3, pad=1), Activation(width))
        self.conv1 = Modulated(deep, spec.stages[0], width)
        self.to_rgb1 = ToRGB(spec.stages[0], width, up=False)
        following = (*spec.stages[1:], None)
        self.layers = nn.ModuleList(
            Stage(own, after, width) for own, after in zip(spec.stages, following, strict=True)
        )
        drawn = (*spec.stages[1:], spec.stages[-1])
        self.to_rgbs = nn.ModuleList(
            ToRGB(own, width, up=index + 1 < len(drawn)) for index, own in enumerate(drawn)
        )
        self.guide = guide_for(spec.guided, width)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors.

        What nobody learned may be missing or extra; every other key counts.
        """
        spec = PublishedSpec.of(state)
        whole = completed(lambda: cls(spec), state)
        return built(lambda: cls(spec), whole, name=f"a {spec.size} px AgeTransformer")

    def forward(self, photo: Tensor, weights: Tensor, captions: Tensor | None = None) -> Tensor:
        side, ages = self.spec.size, weights.shape[1]
        if photo.shape[2:] != (side, side):
            raise ValueError(f"this AgeTransformer takes {side} px, not {tuple(photo.shape[2:])}")
        faces = photo.repeat_interleave(ages, dim=0)
        classes = weights.expand(len(photo), -1, -1).flatten(0, 1)
        guide = guidance(self.guide, captions)
        guide = guide.repeat_interleave(ages, dim=0) if guide is not None else None
        return self.picture(self.encode(faces, classes), guide).unflatten(0, (len(photo), ages))

    def encode(self, photo: Tensor, weights: Tensor) -> Tensor:
        """The encoder's map (b, c, 16, 16) of portraits (b, 3, s, s) at class weights (b, k)."""
        planes = weights[:, :, None, None].expand(-1, -1, *photo.shape[2:]).to(photo.dtype)
        x = torch.cat([photo, planes], dim=1).contiguous(memory_format=torch.channels_last)
        return self.convs_e(x)

    def picture(self, feature: Tensor, guide: Tensor | None = None) -> Tensor:
        """Pictures (b, 3, s, s), about [-1, 1], of the encoder's map; guide: added to the style."""
        style = self.style(self.final_conv(self.convs_es(feature)).mean(dim=(2, 3)))
        if guide is not None:
            style = style + guide.to(style.dtype)
        content = self.conv1(self.convs_ei(feature), style)
        picture = self.to_rgb1(content, style)
        x = content.permute(0, 2, 3, 1).contiguous()
        for layer, to_rgb in zip(self.layers, self.to_rgbs, strict=True):
            x = layer(x, style)
            maps = x.permute(0, 3, 1, 2)
            if to_rgb.upsample is None:
                picture = picture + to_rgb(maps.contiguous(), style)
            else:
                picture = to_rgb(maps.contiguous(), style, picture)
        return picture


@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)  # kept ones may serve a training next
def places(side: int, width: int) -> Tensor:
    """Sinusoids of places (side, side, width): across, then down; sines, then cosines.

    Positions count from 1, as in the code that StyleSwin took them from (Xu et al. 2021).
    """
    half = width // 4
    rates = torch.exp(-math.log(1e4) / (half - 1) * torch.arange(half))
    turns = torch.arange(1, side + 1)[:, None] * rates
    line = torch.cat([turns.sin(), turns.cos()], dim=1)
    across, down = line[None].expand(side, -1, -1), line[:, None].expand(-1, side, -1)
    return torch.cat([across, down], dim=-1)
