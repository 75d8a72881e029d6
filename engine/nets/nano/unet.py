"""A small U-Net for whole portraits: the nano face restorer and the nano colouriser."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.loading import built

SLOPE = 0.1


@dataclass(frozen=True, slots=True)
class UNetSpec:
    """Planes in and out, pixels folded into channels per side, widths from the finest level on."""

    planes_in: int = 3
    planes_out: int = 3
    fold: int = 4
    widths: tuple[int, ...] = (48, 80, 128)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict."""
        try:
            fold = int(state["fold"])
            count = sum(k.startswith("down.") and k.endswith(".conv_1.weight") for k in state)
            widths = tuple(state[f"down.{i}.conv_1.weight"].shape[0] for i in range(count))
            planes_in = (state["stem.weight"].shape[1] - 2) // fold**2
            planes_out = state["last.weight"].shape[0] // fold**2
        except KeyError as error:
            raise WeightsError(
                f"{error} is missing: these are no weights of a nano U-Net"
            ) from None
        return cls(planes_in, planes_out, fold, widths)

    @property
    def multiple(self) -> int:
        """What both sides of a picture must be divisible by."""
        return self.fold * 2 ** (len(self.widths) - 1)


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut, without norms, which would shift colours."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_2(F.leaky_relu(self.conv_1(F.leaky_relu(x, SLOPE)), SLOPE))


class NanoUNet(nn.Module):
    """(b, planes_in, h, w) in [-1, 1] to (b, planes_out, h, w), unbounded and 0 at first.

    Pixels are folded into channels first, and two planes of coordinates are added, since the
    parts of an aligned face have fixed positions (CoordConv, Liu et al. 2018).
    """

    fold: Tensor

    def __init__(self, spec: UNetSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = UNetSpec() if spec is None else spec
        widths, squared = spec.widths, spec.fold**2
        self.register_buffer("fold", torch.tensor(spec.fold))
        self.stem = nn.Conv2d(spec.planes_in * squared + 2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(Block(width) for width in widths)
        self.halve = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in pairwise(widths))
        self.middle = Block(widths[-1])
        self.widen = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(Block(width) for width in widths[:-1])
        self.last = nn.Conv2d(widths[0], spec.planes_out * squared, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # pyright: ignore[reportArgumentType]

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        spec = UNetSpec.of(state)
        return built(lambda: cls(spec), state, name="a nano U-Net")

    def forward(self, x: Tensor) -> Tensor:
        folded = F.pixel_unshuffle(x, self.spec.fold)
        folded = torch.cat([folded, _places(folded)], dim=1)
        maps = self.stem(folded.contiguous(memory_format=torch.channels_last))
        kept: list[Tensor] = []
        for level, block in enumerate(self.down):
            maps = block(maps)
            if level < len(self.halve):
                kept.append(maps)
                maps = self.halve[level](maps)
        maps = self.middle(maps)
        for level in reversed(range(len(kept))):
            wider = F.interpolate(self.widen[level](maps), scale_factor=2, mode="nearest")
            maps = self.up[level](kept[level] + wider)
        return F.pixel_shuffle(self.last(maps).float(), self.spec.fold)


def _places(like: Tensor) -> Tensor:
    """Planes (b, 2, h, w) that run from -1 to 1, across and down."""
    height, width = like.shape[2:]
    across = torch.linspace(-1, 1, width, device=like.device, dtype=like.dtype)
    down = torch.linspace(-1, 1, height, device=like.device, dtype=like.dtype)
    planes = torch.stack([across.expand(height, width), down[:, None].expand(height, width)])
    return planes.expand(like.shape[0], -1, -1, -1)
