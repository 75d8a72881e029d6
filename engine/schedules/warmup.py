from typing import Literal

from pydantic import Field

from engine.core.numbers import Count, Real
from engine.schedules.base import SCHEDULES, Schedule


@SCHEDULES.register("warmup")
class Warmup(Schedule):
    """Rise to a value in equal parts, the first of them already at step 0, then stay.

    >>> warm = Warmup(to=1e-4, steps=500)
    >>> warm.at(0) == 1e-4 / 500, warm.at(499), warm.at(5_000)
    (True, 0.0001, 0.0001)
    """

    kind: Literal["warmup"] = "warmup"
    to: Real
    steps: Count = Field(gt=0)

    def at(self, step: int) -> float:
        return self.to * min((step + 1) / self.steps, 1.0)

    @property
    def length(self) -> int:
        return self.steps - 1
