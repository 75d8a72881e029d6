from typing import Literal

from pydantic import Field

from engine.core.numbers import Count, Real
from engine.schedules.base import SCHEDULES, Schedule


@SCHEDULES.register("exponential")
class Exponential(Schedule):
    """Multiply a value by the same factor every step, `steps` times, then stay.

    >>> decay = Exponential(start=1.0, factor=0.5, steps=3)
    >>> decay.at(0), decay.at(2), decay.at(9)
    (1.0, 0.25, 0.125)
    """

    kind: Literal["exponential"] = "exponential"
    start: Real
    factor: Real = Field(gt=0)
    steps: Count = Field(gt=0)

    def at(self, step: int) -> float:
        return self.start * self.factor ** min(step, self.steps)

    @property
    def length(self) -> int:
        return self.steps
