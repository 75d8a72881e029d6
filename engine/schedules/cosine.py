from math import cos, pi
from typing import Literal

from engine.core.numbers import Real
from engine.schedules.base import SCHEDULES
from engine.schedules.curve import Curve


@SCHEDULES.register("cosine")
class Cosine(Curve):
    """Go from one value to another along half a cosine, then stay.

    >>> decay = Cosine(start=1.0, end=0.0, steps=110, warmup=10)
    >>> decay.at(0), decay.at(10), round(decay.at(60), 6), decay.at(110)
    (0.1, 1.0, 0.5, 0.0)
    """

    kind: Literal["cosine"] = "cosine"
    end: Real

    def after(self, step: int) -> float:
        share = 0.5 * (1.0 + cos(pi * (step / self.decay)))
        return self.end + (self.start - self.end) * share
