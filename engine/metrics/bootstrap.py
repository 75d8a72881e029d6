"""Confidence intervals of means by the percentile bootstrap."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from engine.metrics.vectors import values


class Interval(NamedTuple):
    """A mean and its confidence interval."""

    mean: float
    low: float
    high: float


def mean_interval(
    numbers: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Bootstrap the mean of (n,) numbers; the same seed gives the same interval.

    groups: (n,) labels that are resampled as a whole, such as the person of each picture, whose
    errors are not independent.
    """
    row = values(numbers, "numbers")
    labels = np.arange(row.size) if groups is None else np.asarray(groups).ravel()
    if labels.size != row.size:
        raise ValueError(f"{row.size} numbers and {labels.size} groups")
    _, member = np.unique(labels, return_inverse=True)
    count = int(member.max()) + 1
    sums, sizes = np.bincount(member, row), np.bincount(member)
    drawn = np.random.default_rng(seed).integers(0, count, (resamples, count))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return Interval(float(row.mean()), low, high)


def ratio_interval(
    above: ArrayLike,
    below: ArrayLike,
    *,
    groups: ArrayLike,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Bootstrap sum(above) / sum(below) of (n,) numbers, as slopes and shares of errors are.

    groups: as of `mean_interval`. The ratio stands for the mean.
    """
    over, under = values(above, "above"), values(below, "below")
    labels = np.asarray(groups).ravel()
    if not over.size == under.size == labels.size:
        raise ValueError(f"{over.size} and {under.size} numbers, and {labels.size} groups")
    _, member = np.unique(labels, return_inverse=True)
    sums = np.stack([np.bincount(member, over), np.bincount(member, under)])
    count = sums.shape[1]
    drawn = np.random.default_rng(seed).integers(0, count, (resamples, count))
    ratios = sums[0][drawn].sum(axis=1) / sums[1][drawn].sum(axis=1)
    low, high = np.quantile(ratios, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return Interval(float(over.sum() / under.sum()), low, high)
