from typing import Literal

from pydantic import Field

from engine.core.numbers import Count, Real
from engine.schedules.base import SCHEDULES, Schedule


@SCHEDULES.register("linear")
class Linear(Schedule):
    """Go from one value to another in a straight line, then stay.

    >>> ramp = Linear(start=0.0, end=0.5, steps=100)
    >>> ramp.at(0), ramp.at(50), ramp.at(1_000)
    (0.0, 0.25, 0.5)
    """

    kind: Literal["linear"] = "linear"
    start: Real
    end: Real
    steps: Count = Field(gt=0)

    def at(self, step: int) -> float:
        return self.start + (self.end - self.start) * min(step / self.steps, 1.0)

    @property
    def length(self) -> int:
        return self.steps
