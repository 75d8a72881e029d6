from typing import Literal

from pydantic import Field

from engine.core.numbers import Count
from engine.schedules.base import SCHEDULES, Schedule, ScheduleValue


@SCHEDULES.register("epochs")
class Epochs(Schedule):
    """Another schedule, counted in epochs of so many steps: it holds still within each.

    >>> rate = Epochs(steps=10, schedule={"kind": "linear", "start": 0.0, "end": 1.0, "steps": 4})
    >>> rate.at(9), rate.at(10), rate.at(40)
    (0.0, 0.25, 1.0)
    """

    kind: Literal["epochs"] = "epochs"
    steps: Count = Field(gt=0)
    """Steps of an epoch."""
    schedule: ScheduleValue

    def at(self, step: int) -> float:
        return self.schedule.at(step // self.steps)

    @property
    def length(self) -> int:
        return self.schedule.length * self.steps
