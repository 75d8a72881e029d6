"""Error and calibration of ages that are estimated with a standard deviation."""

from math import pi, sqrt
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from engine.metrics.vectors import Vector, values

LEVELS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""The central intervals whose coverage is measured: 5 % to 95 %."""
WITHIN = 5.0
"""Largest error in years of the event whose probability is the confidence."""
BINS = 15


class ReliabilityBin(NamedTuple):
    """One bin of a diagram: mean confidence and accuracy of its faces, or spread and error."""

    predicted: float
    observed: float
    faces: int


def rmse(truth: ArrayLike, estimate: ArrayLike) -> float:
    """Root of the mean squared error, in years."""
    return float(np.sqrt(np.mean((values(estimate, "ages") - values(truth, "truth")) ** 2)))


def cumulative_score(truth: ArrayLike, estimate: ArrayLike, years: float) -> float:
    """Share of the ages that are off by at most `years`, inclusive (CS@k)."""
    return float(np.mean(np.abs(values(estimate, "ages") - values(truth, "truth")) <= years))


def wasserstein(one: ArrayLike, other: ArrayLike) -> float:
    """Wasserstein-1 distance of two sets of ages, in years.

    >>> wasserstein([10, 20, 30], [13, 33, 23])
    3.0
    """
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(values(one, "ages"), values(other, "ages")))


def probability_within(std: ArrayLike, years: float = WITHIN) -> Vector:
    """Probability (n,) that a normal error with standard deviation (n,) is within `years`."""
    return _erf(years / (np.maximum(values(std, "spread"), 1e-9) * sqrt(2)))


def reliability_bins(
    confidence: ArrayLike,
    correct: NDArray[np.bool_],
    *,
    bins: int = BINS,
    equal_counts: bool = False,
) -> list[ReliabilityBin]:
    """Confidence (n,) against the outcome (n,), in bins of equal width or of equal count."""
    sure = values(confidence, "confidences")
    if equal_counts:
        index = np.argsort(np.argsort(sure, kind="stable")) * bins // sure.size
    else:
        index = np.minimum((sure * bins).astype(int), bins - 1)
    return [
        ReliabilityBin(float(sure[here].mean()), float(np.mean(correct[here])), int(here.sum()))
        for here in (index == number for number in range(bins))
        if here.any()
    ]


def expected_calibration_error(bars: list[ReliabilityBin]) -> float:
    """Expected calibration error (Guo et al. 2017): mean gap of the bins, weighted by count."""
    total = sum(bar.faces for bar in bars)
    return sum(abs(bar.predicted - bar.observed) * bar.faces for bar in bars) / total


def coverage(truth: ArrayLike, estimate: ArrayLike, std: ArrayLike) -> list[tuple[float, float]]:
    """For each level the share of truths within that central interval of the normal."""
    error = np.abs(values(estimate, "ages") - values(truth, "truth"))
    scaled = error / np.maximum(values(std, "spread"), 1e-9)
    limits = sqrt(2) * torch.special.erfinv(torch.tensor(LEVELS, dtype=torch.float64)).numpy()
    return [(level, float(np.mean(scaled <= to))) for level, to in zip(LEVELS, limits, strict=True)]


def coverage_error(truth: ArrayLike, estimate: ArrayLike, std: ArrayLike) -> float:
    """Mean absolute gap between the levels and their coverage, in 0..1."""
    return float(np.mean([abs(level - share) for level, share in coverage(truth, estimate, std)]))


def spread_bins(
    truth: ArrayLike, estimate: ArrayLike, std: ArrayLike, *, bins: int = 10
) -> list[ReliabilityBin]:
    """Root mean square of spread against error, in years, in bins of equal count."""
    spread = values(std, "spread")
    error = values(estimate, "ages") - values(truth, "truth")
    index = np.argsort(np.argsort(spread, kind="stable")) * bins // spread.size
    return [
        ReliabilityBin(
            float(np.sqrt(np.mean(spread[here] ** 2))),
            float(np.sqrt(np.mean(error[here] ** 2))),
            int(here.sum()),
        )
        for here in (index == number for number in range(bins))
        if here.any()
    ]


def negative_log_likelihood(truth: ArrayLike, estimate: ArrayLike, std: ArrayLike) -> float:
    """Mean negative log-likelihood of the truth under the normal distribution, in nats."""
    spread = np.maximum(values(std, "spread"), 1e-9)
    z = (values(truth, "truth") - values(estimate, "ages")) / spread
    return float(np.mean(z**2 / 2 + np.log(spread) + np.log(2 * pi) / 2))


def crps(truth: ArrayLike, estimate: ArrayLike, std: ArrayLike) -> float:
    """Mean continuous ranked probability score of normal ages, in years (Gneiting et al. 2005).

    In closed form; torchmetrics has the estimate from an ensemble only.
    """
    spread = np.maximum(values(std, "spread"), 1e-9)
    z = (values(truth, "truth") - values(estimate, "ages")) / spread
    density = np.exp(-(z**2) / 2) / sqrt(2 * pi)
    inside = z * _erf(z / sqrt(2))
    return float(np.mean(spread * (inside + 2 * density - 1 / sqrt(pi))))


def _erf(numbers: Vector) -> Vector:
    return torch.special.erf(torch.from_numpy(numbers)).numpy()
