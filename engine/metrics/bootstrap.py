"""How far a mean may be trusted: percentile bootstrap over those who were drawn."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from engine.metrics.ranks import values


class Interval(NamedTuple):
    """A mean and the interval that holds it with the confidence asked for."""

    mean: float
    low: float
    high: float


def mean_interval(
    numbers: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
    rounds: int = 2000,
    seed: int = 0,
) -> Interval:
    """Bootstrap the mean of (n,) numbers; the same seed gives the same interval.

    groups: (n,) labels that are drawn as a whole, such as the person of each picture: several
    pictures of one person are not several people.
    """
    row = values(numbers, "numbers")
    labels = np.arange(row.size) if groups is None else np.asarray(groups).ravel()
    if labels.size != row.size:
        raise ValueError(f"{row.size} numbers and {labels.size} groups")
    _, member = np.unique(labels, return_inverse=True)
    count = int(member.max()) + 1
    sums, sizes = np.bincount(member, row), np.bincount(member)
    drawn = np.random.default_rng(seed).integers(0, count, (rounds, count))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return Interval(float(row.mean()), low, high)
