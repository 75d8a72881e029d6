"""AgeTransformer v2: a face is encoded once, and every age is decoded from that one encoding.

In the first version the age enters at the first convolution, so ten ages are ten whole passes.
Here it enters behind the encoder, as a style. The decoder has few channels, fewer with every
doubling; its output is a change of the photograph: a flow, since faces grow and sag, a factor and
an offset of the colours.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.agetransformer.guidance import guidance, guide_for, guided_by
from engine.nets.agetransformer.windows import attend, shift_of
from engine.nets.loading import built
from engine.nets.nano.folding import Fold
from engine.nets.nano.generator import StyledConv
from engine.nets.warp import warped

RGB = 3
LARGEST = 512
FLOW, FADE = 2, 1  # planes of the change before its colours
DETAIL = 8  # channels at full size in front of the change
POOLED = 4  # places a side that the summary of a face is taken from
WAVES = 3  # sines and cosines a direction that encode the position of a token
HEAD = 16  # least channels of an attention head


@dataclass(frozen=True, slots=True)
class SlimSpec:
    """Side in px, number of anchors, channels of the shared encoder and of the decoder.

    stem: at full size; widths: of the encoder after 1, 2, 3, ... halvings; decoder_widths: of
    the decoder at the same sizes; blocks: window blocks that all ages share, at the smallest size;
    convolved: how many of the largest sizes of the decoder convolve, where windows would cost most;
    shared_channels: of the features at half the side that every age weighs anew; guided: width of
    the embeddings of pictures and captions that guide it, 0 for none.
    """

    size: int = 128
    anchors: int = 10
    stem: int = 16
    widths: tuple[int, ...] = (48, 96, 160)
    decoder_widths: tuple[int, ...] = (16, 48, 96)
    blocks: int = 3
    convolved: int = 2
    style: int = 192
    shared_channels: int = 24
    window: int = 8
    guided: int = 0

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.decoder_widths) or len(self.widths) < 2:
            raise ValueError("the encoder and the decoder have as many sizes each, two at least")
        if not 0 <= self.convolved < len(self.decoder_widths):
            raise ValueError("the smallest size of the decoder always attends")
        if any(a > b for a, b in pairwise(self.decoder_widths)):
            raise ValueError("the decoder may not grow wider with its size")
        attending = (*self.decoder_widths[self.convolved :], self.widths[-1])
        if any(width % (2 * HEAD) for width in attending):
            raise ValueError(f"widths that attend must be multiples of {2 * HEAD}")
        if not self.window <= self.size <= LARGEST:
            raise ValueError(f"a side of {self.size} px is outside {self.window}..{LARGEST}")

    @property
    def multiple(self) -> int:
        """Sides are padded to a multiple of this: whole windows at the smallest size."""
        return 2 ** len(self.widths) * self.window

    @classmethod
    def of(cls, state: Mapping[str, Tensor], *, size: int, window: int) -> Self:
        """Read the shape off a state dict; sides in px are not in it."""
        try:
            levels = _count(state, "folds.{}.mix.weight")
            return cls(
                size=size,
                anchors=state["anchors"].shape[0],
                stem=state["stem.weight"].shape[0],
                widths=tuple(state[f"folds.{i}.mix.weight"].shape[0] for i in range(levels)),
                decoder_widths=tuple(state[f"sides.{i}.weight"].shape[0] for i in range(levels)),
                blocks=_count(state, "body.{}.attention.qkv.weight"),
                convolved=_count(state, "fine.{}.styled.weight"),
                style=state["anchors"].shape[1],
                shared_channels=state["canvas.weight"].shape[0],
                window=window,
                guided=guided_by(state),
            )
        except (KeyError, ValueError) as error:
            raise WeightsError(
                f"these are no weights of an AgeTransformer v2 ({error})",
                hint="check that the file is complete and of this network",
            ) from error


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    return next(n for n in range(len(state) + 1) if pattern.format(n) not in state)


class Encoding(NamedTuple):
    """What all ages of n faces share; maps are (n, c, h, w), the finest first.

    photo: (n, 3, s, s), padded; identity: (n, style); skips: one map a size for the decoder;
    shared: the features at half the side; frame: height and width in front of the padding;
    guidance: (n, style), what captions add to the style of every age, where there are some.
    """

    photo: Tensor
    identity: Tensor
    skips: tuple[Tensor, ...]
    shared: Tensor
    frame: tuple[int, int]
    guidance: Tensor | None = None


class Attention(nn.Module):
    """Half of the heads attend in plain windows, half in shifted ones: (b, h, w, c) to itself.

    No table of offsets: the tokens have encodings of their positions, and the masks never change.
    """

    def __init__(self, width: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.heads = width // HEAD // 2
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        window, shift = shift_of(x.shape[1], self.window)
        halves = self.qkv(x).chunk(2, dim=-1)
        attended = [
            attend(half, heads=self.heads, window=window, shift=moved)
            for half, moved in zip(halves, (0, shift), strict=True)
        ]
        return self.proj(torch.cat(attended, dim=-1))


class StyleNorm(nn.Module):
    """AdaIN: every channel to mean 0 and variance 1, then scaled and shifted by a style.

    Without a style the scale and the offset are learned as they are. Statistics are in float32.
    """

    def __init__(self, width: int, style: int | None) -> None:
        super().__init__()
        self.width = width
        self.style = None if style is None else nn.Linear(style, 2 * width)
        self.plain = nn.Parameter(torch.zeros(2, width)) if style is None else None

    def forward(self, x: Tensor, style: Tensor | None) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            y = x.float()
            variance, mean = torch.var_mean(y, dim=(1, 2), correction=0, keepdim=True)
            scale = torch.rsqrt(variance + 1e-5)
            if self.style is not None and style is not None:
                gain, offset = self.style(style.float())[:, None, None].chunk(2, dim=-1)
            else:
                assert self.plain is not None
                gain, offset = self.plain
            scale = scale * (1 + gain)
            return (y * scale + (offset - mean * scale)).to(x.dtype)


class Block(nn.Module):
    """Attention, then a small network for every token, each beside a shortcut: (b, h, w, c)."""

    def __init__(self, width: int, window: int, style: int | None, *, hidden: int = 2) -> None:
        super().__init__()
        self.norm_1 = StyleNorm(width, style)
        self.attention = Attention(width, window)
        self.norm_2 = StyleNorm(width, style)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden * width), nn.GELU(), nn.Linear(hidden * width, width)
        )

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        x = x + self.attention(self.norm_1(x, style))
        return x + self.mlp(self.norm_2(x, style))


class Rise(nn.Module):
    """Back to twice the side for all ages at once: the map below, unfolded, beside its level."""

    def __init__(self, below: int, beside: int) -> None:
        super().__init__()
        self.up = nn.Conv2d(below, 4 * beside, 1)
        self.mix = nn.Conv2d(2 * beside, beside, 1)
        self.conv = nn.Conv2d(beside, beside, 3, padding=1)

    def forward(self, below: Tensor, beside: Tensor) -> Tensor:
        x = torch.cat([_unfolded(self.up(below)), beside], dim=1)
        x = F.leaky_relu(self.mix(x), 0.2, inplace=True)
        return x + F.leaky_relu(self.conv(x), 0.2, inplace=True)


class Styled(nn.Module):
    """A block for sizes where windows would cost most: a styled convolution beside a shortcut."""

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        self.styled = StyledConv(width, width, style)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        maps = x.permute(0, 3, 1, 2)
        return (maps + self.styled(maps, style)).permute(0, 2, 3, 1)


class SlimTransformer(nn.Module):
    """Portraits (n, 3, s, s) in [-1, 1] and anchor weights (n, ages, k) to (n, ages, 3, s, s).

    Weights are a one-hot vector for an anchor and two neighbours' shares between anchors. `s` may
    be any side up to 512 px. Untrained, its output is its input. Captions, where
    the network is guided, are (n, 2 d + 1) as `Guide` takes them.
    """

    def __init__(self, spec: SlimSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = SlimSpec() if spec is None else spec
        widths, decoder, style, window = spec.widths, spec.decoder_widths, spec.style, spec.window
        self.stem = nn.Conv2d(RGB, spec.stem, 3, padding=1)
        self.folds = nn.ModuleList(Fold(*pair) for pair in pairwise((spec.stem, *widths)))
        self.place = nn.Linear(4 * WAVES, widths[-1])
        self.body = nn.ModuleList(Block(widths[-1], window, None) for _ in range(spec.blocks))
        self.rises = nn.ModuleList(Rise(b, a) for a, b in pairwise(widths))
        self.canvas = nn.Conv2d(4 * spec.stem + widths[0], spec.shared_channels, 3, padding=1)
        self.who = nn.Linear(widths[-1] * POOLED**2, style)
        self.anchors = nn.Parameter(torch.randn(spec.anchors, style))
        self.meet = nn.Sequential(
            nn.Linear(2 * style, style),
            nn.LeakyReLU(0.2),
            nn.Linear(style, style),
            nn.LeakyReLU(0.2),
        )
        self.sides = nn.ModuleList(
            nn.Conv2d(wide, slim, 1) for wide, slim in zip(widths, decoder, strict=True)
        )
        self.deep = nn.ModuleList(Block(decoder[-1], window, style) for _ in range(2))
        self.ups = nn.ModuleList(nn.Linear(b, 4 * a) for a, b in pairwise(decoder))
        self.fine = nn.ModuleList(
            Styled(width, style) if level < spec.convolved else Block(width, window, style)
            for level, width in enumerate(decoder[:-1])
        )
        self.gain = nn.Conv2d(decoder[0], spec.shared_channels, 1)
        self.flow = nn.Conv2d(decoder[0], FLOW, 1)
        self.detail = nn.Conv2d(decoder[0] + spec.shared_channels, 4 * DETAIL, 3, padding=1)
        self.change = nn.Conv2d(DETAIL, FADE + RGB, 3, padding=1)
        for last in (self.flow, self.change):
            nn.init.zeros_(last.weight)
            assert last.bias is not None
            nn.init.zeros_(last.bias)
        self.guide = guide_for(spec.guided, style)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], *, size: int, window: int = 8) -> Self:
        """The network that a state dict describes, holding its tensors."""
        spec = SlimSpec.of(state, size=size, window=window)
        return built(lambda: cls(spec), state, name=f"an AgeTransformer v2 of {size} px")

    def forward(self, photo: Tensor, weights: Tensor, captions: Tensor | None = None) -> Tensor:
        return self.decode(self.encode(photo, captions), weights)

    def encode(self, photo: Tensor, captions: Tensor | None = None) -> Encoding:
        """What all ages share of portraits (n, 3, s, s)."""
        height, width = photo.shape[2:]
        if height != width or not self.spec.window <= height <= LARGEST:
            raise ValueError(
                f"a portrait is a square of at most {LARGEST} px, not {height}x{width}"
            )
        more = -height % self.spec.multiple
        padded = F.pad(photo, (0, more, 0, more), mode="replicate") if more else photo
        padded = padded.contiguous(memory_format=torch.channels_last)
        stem = F.leaky_relu(self.stem(padded), 0.2, inplace=True)
        maps = [stem]
        for fold in self.folds:
            maps.append(fold(maps[-1]))
        tokens = maps[-1].permute(0, 2, 3, 1)
        tokens = tokens + self.place(place_waves(tokens.shape[1], tokens)).to(tokens.dtype)
        for block in self.body:
            tokens = block(tokens)
        risen = [tokens.permute(0, 3, 1, 2)]
        identity = self.who(F.adaptive_avg_pool2d(risen[0].float(), POOLED).flatten(1))
        for rise, beside in zip(reversed(self.rises), maps[-2:0:-1], strict=True):
            risen.append(rise(risen[-1], beside))
        shared = F.leaky_relu(self.canvas(torch.cat([_folded(stem), risen[-1]], dim=1)), 0.2)
        skips = [side(one) for side, one in zip(self.sides, reversed(risen), strict=True)]
        guide = guidance(self.guide, captions)
        return Encoding(padded, identity, tuple(skips), shared, (height, width), guide)

    def decode(self, encoding: Encoding, weights: Tensor) -> Tensor:
        """Pictures (n, ages, 3, s, s) of an encoding at the anchor weights (n or 1, ages, k)."""
        photo, identity, skips, shared, (height, width), guide = encoding
        faces, ages = len(photo), weights.shape[1]
        targets = (weights @ self.anchors).expand(faces, -1, -1)
        style = self.meet(torch.cat([identity[:, None].expand(-1, ages, -1), targets], dim=-1))
        if guide is not None:
            style = style + guide[:, None].to(style.dtype)
        style = style.flatten(0, 1)
        x = _each(skips[-1], ages).permute(0, 2, 3, 1)
        for block in self.deep:
            x = block(x, style)
        levels = zip(reversed(self.ups), reversed(self.fine), skips[-2::-1], strict=True)
        for up, block, skip in levels:
            risen = _unfolded(up(x).permute(0, 3, 1, 2)) + _each(skip, ages)
            x = block(risen.permute(0, 2, 3, 1), style)
        x = x.permute(0, 3, 1, 2)
        mixed = _each(shared, ages) * (1 + self.gain(x))
        detail = _unfolded(self.detail(torch.cat([x, mixed], dim=1)))
        # A convolution behind the unfolding: without one its lattice shows in faint texture.
        flow, change = self.flow(x), self.change(F.leaky_relu(detail, 0.2, inplace=True))
        with torch.autocast(photo.device.type, enabled=False):
            moved = warped(_each(photo, ages).float(), flow.float())
            fade, colours = change.float().split([FADE, RGB], dim=1)
            picture = moved * (1 + fade) + colours
        return picture[..., :height, :width].unflatten(0, (faces, ages))


def place_waves(side: int, like: Tensor) -> Tensor:
    """Sines and cosines of the place of every token: (side, side, 4 * WAVES), on any side alike."""
    at = (torch.arange(side, device=like.device) + 0.5) / side
    turns = at[:, None] * math.pi * 2.0 ** torch.arange(WAVES, device=like.device)
    line = torch.cat([turns.sin(), turns.cos()], dim=1)
    down = line[:, None].expand(-1, side, -1)
    return torch.cat([down, down.transpose(0, 1)], dim=-1)


def _each(maps: Tensor, ages: int) -> Tensor:
    """(n, c, h, w) to (n * ages, c, h, w), every map as often as there are ages."""
    return maps if ages == 1 else maps.repeat_interleave(ages, dim=0)


def _folded(x: Tensor) -> Tensor:
    return F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)


def _unfolded(x: Tensor) -> Tensor:
    return F.pixel_shuffle(x, 2).contiguous(memory_format=torch.channels_last)
