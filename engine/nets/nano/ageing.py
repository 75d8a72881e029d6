"""The nano ageing prior: photograph and target age to an offset of the codes.

The interface is that of SAM (Alaluf et al. 2021). Most codes are linear in the picture, so a U-Net
(Ronneberger et al. 2015) predicts a change of the picture, which is then projected onto the codes.
The change is a flow, since faces grow and sag, a factor and an offset of the colours.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.nets.loading import built
from engine.nets.nano.base import PortraitBase
from engine.nets.nano.codes_spec import CodesSpec
from engine.nets.nano.folding import Fold, Stem
from engine.nets.nano.generator import STYLED, StyledConv
from engine.nets.style import StyleEncoder
from engine.nets.warp import warped

RGB, PLANES = 3, 4
FLOW, FADE = 2, 1  # planes of the change before its colours
WAVES = 6  # age features: sines and cosines of 1, 2, 4, ... quarter turns a century


@dataclass(frozen=True, slots=True)
class NanoAgeingSpec(CodesSpec):
    """The shape of the prior; its input is a photograph and the target age."""

    network: ClassVar[str] = "a nano ageing prior"

    widths: tuple[int, ...] = (32, 64, 96, 96, 96)

    @property
    def planes(self) -> int:
        """Planes of a photograph and of its target age."""
        return PLANES


class Unfold(nn.Module):
    """Back to twice the side: the map below, unfolded, beside the map of the contracting path."""

    def __init__(self, below: int, beside: int, style_width: int) -> None:
        super().__init__()
        self.up = nn.Conv2d(below, 4 * beside, 1)
        self.styled = StyledConv(2 * beside, beside, style_width)

    def forward(self, below: Tensor, beside: Tensor, style: Tensor) -> Tensor:
        up = F.pixel_shuffle(self.up(below), 2).contiguous(memory_format=torch.channels_last)
        return self.styled(torch.cat([up, beside], dim=1), style)


class NanoAgeing(StyleEncoder):
    """Portraits with the plane age / 100, (b, 4, size, size), to offsets of w+.

    The offsets start at zero: untrained, the prior changes nothing.
    """

    def __init__(self, spec: NanoAgeingSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = NanoAgeingSpec() if spec is None else spec
        widths, summary = spec.widths, spec.summary
        self.base = PortraitBase(spec.base)
        self.stem = Stem(PLANES, widths[0])
        self.stages = nn.ModuleList(Fold(*pair) for pair in pairwise(widths))
        side = spec.size // 2 ** len(widths)
        self.places = nn.Linear(widths[-1] * side**2, summary)
        self.when = nn.Linear(2 * WAVES + 1, summary)
        self.meet = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Linear(2 * summary, summary),
            nn.LeakyReLU(0.2),
            nn.Linear(summary, summary),
            nn.LeakyReLU(0.2),
        )
        self.unfolds = nn.ModuleList(
            Unfold(below, beside, summary)
            for below, beside in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.to_change = nn.Conv2d(widths[0], FLOW + FADE + RGB, 3, padding=1)
        self.styles = nn.Linear(summary, STYLED * spec.style_width)
        for last in (self.to_change, self.styles):
            nn.init.zeros_(last.weight)
            assert last.bias is not None
            nn.init.zeros_(last.bias)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The prior that a state dict describes, holding its tensors."""
        spec = NanoAgeingSpec.of(state)
        return built(lambda: cls(spec), state, name=f"a nano ageing prior of {spec.size} px")

    @property
    def shape(self) -> NanoAgeingSpec:
        """What goes in and what comes out."""
        return self.spec

    def forward(self, x: Tensor) -> Tensor:
        spec = self.spec
        difference, styles = self.changes(x)
        linear = self.base.change(difference)
        return torch.cat([linear, styles], dim=1).unflatten(1, (spec.n_styles, spec.style_width))

    def changes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What ageing adds to the picture at half the side (b, 3, h, h), and to the styles."""
        if x.shape[1:] != (PLANES, self.spec.size, self.spec.size):
            wanted = f"(b, {PLANES}, {self.spec.size}, {self.spec.size})"
            raise ValueError(f"the ageing prior takes {wanted}, not {tuple(x.shape)}")
        maps = [self.stem(x)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        identity = self.places(maps[-1].flatten(1))
        age = self.when(age_waves(x[:, RGB, 0, 0]))
        style = self.meet(torch.cat([identity, age], dim=1))
        y = maps[-1]
        for unfold, beside in zip(self.unfolds, maps[-2::-1], strict=True):
            y = unfold(y, beside, style)
        with torch.autocast(x.device.type, enabled=False):
            changed = _changed(x[:, :RGB].float(), self.to_change(y.float()))
        return changed, self.styles(style).float()


def _changed(photo: Tensor, change: Tensor) -> Tensor:
    """Difference at half the side (b, 3, h, h) that a change (b, 6, h, h) makes to (b, 3, s, s)."""
    flow, fade, colours = change.split([FLOW, FADE, RGB], dim=1)
    # Warped at full size and shrunk afterwards, so that interpolation hardly blurs.
    moved = F.avg_pool2d(warped(photo, flow), 2)
    return moved * (1 + fade) + colours - F.avg_pool2d(photo, 2)


def age_waves(share: Tensor) -> Tensor:
    """Features (b, 2 * WAVES + 1) of ages given as shares of a century, (b,)."""
    turns = share.float()[:, None] * 2.0 ** torch.arange(WAVES, device=share.device) * math.pi / 2
    return torch.cat([share.float()[:, None], turns.sin(), turns.cos()], dim=1)
