"""The ages that an AgeTransformer draws, and the years that each of them stands for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor

from engine.core.errors import WeightsError
from engine.data.ffhq_aging import GROUPS

OLDEST = 120.0
DEFAULT = tuple(float(age) for age in range(5, 100, 10))
FFHQ_OLDEST = 80.0
"""The age in years that the open bin of FFHQ-Aging stands for: about the mean of its labels."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """Anchor ages in years, rising; the bin of each goes from `low` to below `high`."""

    years: tuple[float, ...]
    bins: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if len(self.years) < 2 or len(self.years) != len(self.bins):
            raise ValueError("two anchors at least, and a bin for each")
        if any(a >= b for a, b in pairwise(self.years)):
            raise ValueError("anchors must rise")
        if any(a[1] != b[0] for a, b in pairwise(self.bins)):
            raise ValueError("bins must touch each other")
        for age, (low, high) in zip(self.years, self.bins, strict=True):
            if not low <= age < high:
                raise ValueError(f"the anchor {age:g} is outside its bin {low:g}..{high:g}")

    @classmethod
    def at(cls, years: Sequence[float]) -> Self:
        """Anchors with bins that meet halfway.

        >>> Anchors.at([5, 15, 40]).bins
        ((0.0, 10.0), (10.0, 27.5), (27.5, 120.0))
        """
        edges = [0.0, *((a + b) / 2 for a, b in pairwise(years)), OLDEST]
        return cls(tuple(float(age) for age in years), tuple(pairwise(edges)))

    @classmethod
    def ffhq_aging(cls) -> Self:
        """The ten classes of FFHQ-Aging, each at the middle of its whole years."""
        closed = GROUPS[:-1]
        middles = tuple((first + last) / 2 for first, last in closed)
        bins = tuple((float(first), float(last + 1)) for first, last in closed)
        return cls((*middles, FFHQ_OLDEST), (*bins, (bins[-1][1], OLDEST)))

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """The anchors in the facts of a checkpoint; WeightsError for faulty ones."""
        try:
            years = tuple(float(age) for age in facts["age_anchors"])
            bins = tuple((float(low), float(high)) for low, high in facts["age_bins"])
            return cls(years, bins)
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError(f"the anchors of these weights cannot be read: {error}") from error

    def facts(self) -> dict[str, Any]:
        """The facts of a checkpoint."""
        return {"age_anchors": list(self.years), "age_bins": [list(both) for both in self.bins]}

    def __len__(self) -> int:
        return len(self.years)

    def weights(self, ages: Tensor) -> Tensor:
        """Interpolation weights (..., k) of ages in years (...) on the two nearest anchors.

        Ages beyond the first or last anchor have that anchor's.
        """
        years = torch.tensor(self.years, device=ages.device)
        ages = ages.float().clamp(self.years[0], self.years[-1])
        upper = torch.searchsorted(years, ages.contiguous()).clamp(1, len(years) - 1)
        low, high = years[upper - 1], years[upper]
        share = (ages - low) / (high - low)
        weights = ages.new_zeros(*ages.shape, len(years))
        weights.scatter_(-1, (upper - 1)[..., None], (1 - share)[..., None])
        return weights.scatter_(-1, upper[..., None], share[..., None])

    def labels(self, ages: Tensor, spread: Tensor) -> Tensor:
        """Soft labels (n, k): the mass of every bin under normals of mean (n,) and deviation (n,).

        A deviation of 0 is a hard label.
        """
        edges = torch.tensor([high for _, high in self.bins[:-1]], device=ages.device)
        apart = edges[None] - ages.float()[:, None]
        below = torch.where(
            spread[:, None] > 0,
            0.5 * (1 + torch.erf(apart / (spread.float()[:, None].clamp(min=1e-6) * math.sqrt(2)))),
            (apart > 0).float(),
        )
        ones, zeros = torch.ones(len(ages), 1), torch.zeros(len(ages), 1)
        whole = torch.cat([zeros.to(below), below, ones.to(below)], dim=1)
        return whole.diff(dim=1)
