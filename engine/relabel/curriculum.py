"""Which relabelled faces a training sees, how often, and from when on.

`omega_i(step) = 1[std_i <= q(step)] exp(-std_i / tau)`, q rising over the first third of the
training, classes balanced by the square root of how rare they are (`specs/agetransformer.md` 1.9).
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from engine.core.table import Table


class Curriculum(Table):
    """From sure faces to less sure ones."""

    first: float = Field(default=3.0, gt=0)
    """Years of spread that are allowed at the first step."""
    last: float = Field(default=8.0, gt=0)
    """Years of spread that are allowed from `over` of the training on."""
    over: float = Field(default=1 / 3, gt=0, le=1)
    """Share of the training over which the limit rises."""
    decay: float = Field(default=6.0, gt=0)
    """Years of spread at which a face is drawn 1/e as often as a certain one."""
    balance: float = Field(default=0.5, ge=0, le=1)
    """Power of the rarity of its age group that a face's weight has; 0: none."""

    def limit(self, share: float) -> float:
        """The spread in years that is allowed when `share` of the training is done."""
        return self.first + (self.last - self.first) * min(share / self.over, 1.0)

    def joins_at(self, std: float) -> float | None:
        """The share of the training from which on a face of that spread is drawn; None: never."""
        if std > self.last:
            return None
        if std <= self.first or self.last <= self.first:
            return 0.0
        return round(self.over * (std - self.first) / (self.last - self.first), 4)

    def drawn(self, stds: ArrayLike, share: float) -> NDArray[np.float64]:
        """How often faces of these spreads (n,) are drawn, relative to one without any."""
        spread = np.asarray(stds, np.float64)
        return np.where(spread <= self.limit(share), np.exp(-spread / self.decay), 0.0)

    def weights(self, reliability: Sequence[float], groups: Sequence[int]) -> NDArray[np.float64]:
        """Weights (n,) of mean 1: reliability, times the rarity of the age group to a power."""
        if not reliability:
            return np.zeros(0)
        counts = Counter(groups)
        rare = np.array([(len(groups) / counts[group]) ** self.balance for group in groups])
        found = np.asarray(reliability, np.float64) * rare
        return found / found.mean() if found.any() else found
