from bisect import bisect_right
from itertools import pairwise
from typing import Literal

from pydantic import field_validator

from engine.core.numbers import Count, Real
from engine.schedules.base import SCHEDULES, Schedule


@SCHEDULES.register("steps")
class Steps(Schedule):
    """Hold each value from its step until the next one.

    >>> boost = Steps(points=[(0, 0.05), (20_000, 0.07), (36_000, 0.05)])
    >>> boost.at(19_999), boost.at(20_000), boost.at(40_000)
    (0.05, 0.07, 0.05)
    """

    kind: Literal["steps"] = "steps"
    points: tuple[tuple[Count, Real], ...]
    """Pairs of first step and value; the first step is 0 and they rise."""

    @field_validator("points")
    @classmethod
    def _ordered(cls, points: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
        starts = [start for start, _ in points]
        if not starts or starts[0] != 0 or any(a >= b for a, b in pairwise(starts)):
            raise ValueError("the points must start at step 0 and rise")
        return points

    def at(self, step: int) -> float:
        starts = [start for start, _ in self.points]
        return self.points[bisect_right(starts, step) - 1][1]

    @property
    def length(self) -> int:
        return self.points[-1][0]
