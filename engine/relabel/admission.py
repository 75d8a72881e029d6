"""What a manifest says to trainings of a relabelled face: how much it weighs, and from when on.

The spread that is allowed rises over the first third of a training, and age groups are balanced by
the square root of how rare they are (`specs/agetransformer.md` 1.9).
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.core.table import Table


class SamplingCurriculum(Table):
    """Sure faces from the start, less sure ones later, the least sure never."""

    first: float = Field(default=3.0, gt=0)
    """Years of spread that are allowed at the first step."""
    last: float = Field(default=8.0, gt=0)
    """Years of spread that are allowed from `over` of the training on."""
    over: float = Field(default=1 / 3, gt=0, le=1)
    """Share of the training over which the limit rises."""
    balance: float = Field(default=0.5, ge=0, le=1)
    """Power of the rarity of its age group that a face's weight has; 0: none."""

    def joins_at(self, std: float) -> float | None:
        """The share of the training from which on a face of that spread is drawn; None: never."""
        if std > self.last:
            return None
        if std <= self.first or self.last <= self.first:
            return 0.0
        return round(self.over * (std - self.first) / (self.last - self.first), 4)

    def weights(self, reliability: Sequence[float], groups: Sequence[int]) -> NDArray[np.float64]:
        """Weights (n,) of mean 1: reliability, times the rarity of the age group to a power."""
        if not reliability:
            return np.zeros(0)
        counts = Counter(groups)
        rare = np.array([(len(groups) / counts[group]) ** self.balance for group in groups])
        found = np.asarray(reliability, np.float64) * rare
        return found / found.mean() if found.any() else found
