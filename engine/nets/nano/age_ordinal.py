"""Ordinal age estimation: the probability of being older than each of many thresholds."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.luma import REC_601
from engine.nets.loading import built
from engine.nets.nano.trunk import plain_shape, resized

BLUR = 5  # px of the box whose mean is taken off for the picture's texture
YEARS_PER_UNIT = 10.0


@dataclass(frozen=True, slots=True)
class AgeOrdinalSpec:
    """Input size in px, number of thresholds, widths of the stages, width of the hidden layer."""

    size: int = 96
    thresholds: int = 100
    widths: tuple[int, ...] = (24, 48, 80, 128)
    hidden: int = 64

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict."""
        return cls(*plain_shape(state, "gaps", name="an ordinal nano age network"))


class NanoAgeOrdinal(nn.Module):
    """Portraits (b, 3, h, w) in [-1, 1] to logits (b, 100) of being older than 0.5, 1.5, ... years.

    A cumulative-link model (McCullagh 1980) on a network, as CORAL (Cao et al. 2020): one score for
    all thresholds, so that the probabilities never increase with age; a second number is the
    logarithm of its precision. The input is reduced to luma and its fine texture.
    """

    def __init__(self, spec: AgeOrdinalSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = AgeOrdinalSpec() if spec is None else spec
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
                nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            )
            if index
            else nn.Sequential(
                nn.Conv2d(8, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            )
            for index, (inputs, outputs) in enumerate(pairwise((8, *spec.widths)))
        )
        flat = spec.widths[-1] * (spec.size // 2 ** len(spec.widths)) ** 2
        self.hidden = nn.Sequential(
            nn.Flatten(), nn.Linear(flat, spec.hidden, bias=False), nn.BatchNorm1d(spec.hidden)
        )
        self.score = nn.Linear(spec.hidden, 2)
        # Inverse softplus of evenly spaced thresholds.
        even = torch.full((spec.thresholds,), 1 / YEARS_PER_UNIT)
        self.gaps = nn.Parameter(even.expm1().log())

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        spec = AgeOrdinalSpec.of(state)
        return built(lambda: cls(spec), state, name="an ordinal nano age network")

    def forward(self, portrait: Tensor) -> Tensor:
        x = texture(resized(portrait, self.spec.size))
        x = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        for index, stage in enumerate(self.stages):
            x = stage(x if index == 0 else F.max_pool2d(x, 2))
        output = self.score(F.relu(self.hidden(x))).float()
        thresholds = F.softplus(self.gaps.float()).cumsum(0)
        middle = thresholds[len(thresholds) // 2]
        score, precision = output[:, :1] + middle, output[:, 1:]
        return (score - thresholds) * (1 + precision).clamp(-3, 5).exp()

    def age(self, portrait: Tensor) -> Tensor:
        """Expected age in years (b,)."""
        return ordinal_age(self(portrait))


def texture(picture: Tensor) -> Tensor:
    """Luma and its fine part (b, 2, h, w) of RGB (b, 3, h, w)."""
    luma = torch.einsum("c,bchw->bhw", picture.new_tensor(REC_601), picture)[:, None]
    smooth = F.avg_pool2d(luma, BLUR, stride=1, padding=BLUR // 2, count_include_pad=False)
    return torch.cat([luma, 4 * (luma - smooth)], dim=1)


def ordinal_age(logits: Tensor) -> Tensor:
    """Years (b,) from logits (b, n): the expected number of thresholds below the age."""
    return logits.float().sigmoid().sum(dim=1)


def ordinal_distribution(logits: Tensor) -> Tensor:
    """The distribution (b, n + 1) over the ages 0..n that logits (b, n) of thresholds describe."""
    older = logits.float().sigmoid()
    ends = older.new_ones(len(older), 1), older.new_zeros(len(older), 1)
    return torch.cat([ends[0], older], dim=1) - torch.cat([older, ends[1]], dim=1)
