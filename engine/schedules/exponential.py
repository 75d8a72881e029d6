from typing import Literal

from pydantic import Field

from engine.core.numbers import Real
from engine.schedules.base import SCHEDULES
from engine.schedules.curve import Curve


@SCHEDULES.register("exponential")
class Exponential(Curve):
    """Multiply a value by the same factor every step, `steps` times, then stay.

    >>> decay = Exponential(start=1.0, factor=0.5, steps=3)
    >>> decay.at(0), decay.at(2), decay.at(9)
    (1.0, 0.25, 0.125)
    """

    kind: Literal["exponential"] = "exponential"
    factor: Real = Field(gt=0)

    def after(self, step: int) -> float:
        return self.start * self.factor**step
