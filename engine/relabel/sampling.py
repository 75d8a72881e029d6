"""Sampling weights of relabelled faces, for the training manifest."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.core.table import Table


class Sampling(Table):
    """How often a training samples a face: by its reliability, rare age groups more often."""

    balance: float = Field(default=0.5, ge=0, le=1)
    """Power of the inverse frequency of the face's age group; 0 leaves the frequencies."""

    def weights(self, reliability: Sequence[float], groups: Sequence[int]) -> NDArray[np.float64]:
        """Sampling weights (n,) of mean 1, from the reliability and the age group of each face."""
        if not reliability:
            return np.zeros(0)
        counts = Counter(groups)
        rarity = np.array([(len(groups) / counts[group]) ** self.balance for group in groups])
        weights = np.asarray(reliability, np.float64) * rarity
        return weights / weights.mean() if weights.any() else weights
