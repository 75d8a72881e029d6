"""Ranks, where ties share the mean of the places they take."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]


def values(numbers: ArrayLike, name: str) -> Vector:
    """Return finite numbers as one float64 row; ValueError if there is none or one is not."""
    row = np.asarray(numbers, np.float64).ravel()
    if row.size == 0:
        raise ValueError(f"{name}: there is nothing to measure")
    if not np.isfinite(row).all():
        raise ValueError(f"{name}: a value is not finite")
    return row


def mid_ranks(numbers: Vector) -> Vector:
    """Rank (n,) values from 1 up, ties at the mean of their ranks.

    >>> mid_ranks(np.array([10.0, 30.0, 10.0]))
    array([1.5, 3. , 1.5])
    """
    _, place, count = np.unique(numbers, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place]
