"""Sampling of labelled faces in training: reliable labels first, rare ages more often."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.core.numbers import Count, Real
from engine.core.table import Table

Floats = NDArray[np.float64]


class LabelCurriculum(Table):
    """The limit on the spread of labels rises during training; all spreads in years."""

    first: Real = Field(default=3.0, ge=0)
    """Limit of a label's standard deviation at the first step."""
    last: Real = Field(default=8.0, ge=0)
    """Limit from step `steps` on."""
    steps: Count = Field(default=0, ge=0)
    fade: Real = Field(default=5.0, gt=0)
    """Standard deviation at which a face is sampled 1/e as often as without any."""
    balance: Real = Field(default=0.5, ge=0, le=1)
    """Power of the inverse frequency of an age's bin: 0 keeps the frequencies, 1 equalises them."""

    def limit(self, step: int) -> float:
        """The largest standard deviation that is sampled at a step, in years."""
        share = 1.0 if step >= self.steps else step / self.steps
        return self.first + (self.last - self.first) * share

    def odds(self, step: int, spread: NDArray[np.float32], bins: NDArray[np.int64]) -> Floats:
        """Sampling probabilities (n,) of faces with spreads (n,) in years and age bins (n,).

        Where no face is within the limit, those of the smallest spread are sampled.
        """
        limit = max(self.limit(step), float(spread.min()))
        kept = np.where(spread <= limit, np.exp(-spread.astype(np.float64) / self.fade), 0.0)
        counts = np.bincount(bins)
        odds = kept * counts[bins].astype(np.float64) ** -self.balance
        return odds / odds.sum()
