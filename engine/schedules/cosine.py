from math import cos, pi
from typing import Literal

from pydantic import Field

from engine.core.numbers import Count, Real
from engine.schedules.base import SCHEDULES, Schedule


@SCHEDULES.register("cosine")
class Cosine(Schedule):
    """Go from one value to another along half a cosine, then stay.

    >>> decay = Cosine(start=1.0, end=0.0, steps=100)
    >>> decay.at(0), round(decay.at(50), 6), decay.at(100)
    (1.0, 0.5, 0.0)
    """

    kind: Literal["cosine"] = "cosine"
    start: Real
    end: Real
    steps: Count = Field(gt=0)

    def at(self, step: int) -> float:
        share = 0.5 * (1.0 + cos(pi * min(step / self.steps, 1.0)))
        return self.end + (self.start - self.end) * share

    @property
    def length(self) -> int:
        return self.steps
