"""Which labelled faces are drawn, and how often: sure labels first, rare ages more often."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.core.numbers import Count, Real
from engine.core.table import Table

Floats = NDArray[np.float64]


class Curriculum(Table):
    """The spread of labels that is let in, in years (`specs/agetransformer.md` 1.9)."""

    first: Real = Field(default=3.0, ge=0)
    """Largest standard deviation of a label at the first step."""
    last: Real = Field(default=8.0, ge=0)
    """The same from step `steps` on."""
    steps: Count = Field(default=0, ge=0)
    """Steps until then."""
    fade: Real = Field(default=5.0, gt=0)
    """A face whose label is this many years unsure is drawn 1/e as often as a sure one."""
    balance: Real = Field(default=0.5, ge=0, le=1)
    """Power of the inverse frequency of an age's bin: 0 leaves the frequencies, 1 evens them."""

    def limit(self, step: int) -> float:
        """The largest spread that is let in at a step, in years."""
        share = 1.0 if step >= self.steps else step / self.steps
        return self.first + (self.last - self.first) * share

    def odds(self, step: int, spread: NDArray[np.float32], bins: NDArray[np.int64]) -> Floats:
        """How often each face is drawn (n,), summing to 1: spread in years (n,), bins (n,).

        Where nobody is sure enough, the surest are drawn.
        """
        limit = max(self.limit(step), float(spread.min()))
        let_in = np.where(spread <= limit, np.exp(-spread.astype(np.float64) / self.fade), 0.0)
        counts = np.bincount(bins)
        odds = let_in * counts[bins].astype(np.float64) ** -self.balance
        return odds / odds.sum()
