"""Arguments of metrics: finite float64 vectors."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]


def values(numbers: ArrayLike, name: str) -> Vector:
    """The numbers as a float64 vector (n,); ValueError if it is empty or not finite."""
    row = np.asarray(numbers, np.float64).ravel()
    if row.size == 0:
        raise ValueError(f"{name}: there is nothing to measure")
    if not np.isfinite(row).all():
        raise ValueError(f"{name}: a value is not finite")
    return row
