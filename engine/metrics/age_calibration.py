"""Are ages right, and is their spread honest? Figures of ages told with a standard deviation."""

from math import pi, sqrt
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from engine.metrics.ranks import Vector, values

LEVELS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""The central intervals whose coverage is measured: 5 % to 95 %."""
WITHIN = 5.0
"""Years of the event that a confidence is about: being off by no more."""
BINS = 15


class Reliability(NamedTuple):
    """One bar of a reliability diagram: what was told, what happened, over how many faces."""

    told: float
    happened: float
    faces: int


def rmse(truth: ArrayLike, told: ArrayLike) -> float:
    """Root of the mean squared error, in years."""
    return float(np.sqrt(np.mean((values(told, "ages") - values(truth, "truth")) ** 2)))


def cumulative_score(truth: ArrayLike, told: ArrayLike, years: float) -> float:
    """Share of the ages that are off by at most `years`, inclusive (CS@k)."""
    return float(np.mean(np.abs(values(told, "ages") - values(truth, "truth")) <= years))


def earth_mover(one: ArrayLike, other: ArrayLike) -> float:
    """Years that one set of ages must move on average to become the other (Wasserstein-1).

    >>> earth_mover([10, 20, 30], [13, 33, 23])
    3.0
    """
    first, second = np.sort(values(one, "ages")), np.sort(values(other, "ages"))
    every = np.sort(np.concatenate([first, second]))
    below = [np.searchsorted(row, every[:-1], side="right") / row.size for row in (first, second)]
    return float(np.sum(np.abs(below[0] - below[1]) * np.diff(every)))


def surely_within(std: ArrayLike, years: float = WITHIN) -> Vector:
    """Probability (n,) that a normal error of such standard deviation stays within `years`."""
    return _erf(years / (np.maximum(values(std, "spread"), 1e-9) * sqrt(2)))


def confidence_bars(
    told: ArrayLike, happened: NDArray[np.bool_], *, bins: int = BINS, equal_counts: bool = False
) -> list[Reliability]:
    """Faces grouped by their confidence (n,), in bins of one width or of one count."""
    sure = values(told, "confidences")
    if equal_counts:
        place = np.argsort(np.argsort(sure, kind="stable")) * bins // sure.size
    else:
        place = np.minimum((sure * bins).astype(int), bins - 1)
    return [
        Reliability(float(sure[here].mean()), float(np.mean(happened[here])), int(here.sum()))
        for here in (place == number for number in range(bins))
        if here.any()
    ]


def expected_error(bars: list[Reliability]) -> float:
    """The expected calibration error in 0..1 (Guo et al. 2017): mean gap, weighted by count."""
    total = sum(bar.faces for bar in bars)
    return sum(abs(bar.told - bar.happened) * bar.faces for bar in bars) / total


def coverage(truth: ArrayLike, told: ArrayLike, std: ArrayLike) -> list[tuple[float, float]]:
    """For each level the share of truths within that central interval of the normal told."""
    error = np.abs(values(told, "ages") - values(truth, "truth"))
    scaled = error / np.maximum(values(std, "spread"), 1e-9)
    limits = sqrt(2) * torch.special.erfinv(torch.tensor(LEVELS, dtype=torch.float64)).numpy()
    return [(level, float(np.mean(scaled <= to))) for level, to in zip(LEVELS, limits, strict=True)]


def coverage_error(truth: ArrayLike, told: ArrayLike, std: ArrayLike) -> float:
    """Mean gap between the levels and their coverage, in 0..1."""
    return float(np.mean([abs(level - share) for level, share in coverage(truth, told, std)]))


def spread_bars(
    truth: ArrayLike, told: ArrayLike, std: ArrayLike, *, bins: int = 10
) -> list[Reliability]:
    """Told spread against the root mean square error of as many faces in each bin, in years."""
    spread = values(std, "spread")
    error = values(told, "ages") - values(truth, "truth")
    place = np.argsort(np.argsort(spread, kind="stable")) * bins // spread.size
    return [
        Reliability(
            float(np.sqrt(np.mean(spread[here] ** 2))),
            float(np.sqrt(np.mean(error[here] ** 2))),
            int(here.sum()),
        )
        for here in (place == number for number in range(bins))
        if here.any()
    ]


def negative_log_likelihood(truth: ArrayLike, told: ArrayLike, std: ArrayLike) -> float:
    """Mean of -log of the normal density at the truth, in nats."""
    spread = np.maximum(values(std, "spread"), 1e-9)
    away = (values(truth, "truth") - values(told, "ages")) / spread
    return float(np.mean(away**2 / 2 + np.log(spread) + np.log(2 * pi) / 2))


def crps(truth: ArrayLike, told: ArrayLike, std: ArrayLike) -> float:
    """Mean continuous ranked probability score of normal ages, in years (Gneiting et al. 2005)."""
    spread = np.maximum(values(std, "spread"), 1e-9)
    away = (values(truth, "truth") - values(told, "ages")) / spread
    density = np.exp(-(away**2) / 2) / sqrt(2 * pi)
    inside = away * _erf(away / sqrt(2))
    return float(np.mean(spread * (inside + 2 * density - 1 / sqrt(pi))))


def _erf(numbers: Vector) -> Vector:
    return torch.special.erf(torch.from_numpy(numbers)).numpy()
