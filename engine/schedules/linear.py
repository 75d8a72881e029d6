from typing import Literal

from engine.core.numbers import Real
from engine.schedules.base import SCHEDULES
from engine.schedules.curve import Curve


@SCHEDULES.register("linear")
class Linear(Curve):
    """Go from one value to another in a straight line, then stay.

    >>> ramp = Linear(start=0.0, end=0.5, steps=100)
    >>> ramp.at(0), ramp.at(50), ramp.at(1_000)
    (0.0, 0.25, 0.5)
    """

    kind: Literal["linear"] = "linear"
    end: Real

    def after(self, step: int) -> float:
        return self.start + (self.end - self.start) * (step / self.decay)
