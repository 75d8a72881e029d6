from typing import Literal

from engine.core.numbers import Real
from engine.schedules.base import SCHEDULES, Schedule


@SCHEDULES.register("constant")
class Constant(Schedule):
    """The same value for ever; a bare number in a recipe means this."""

    kind: Literal["constant"] = "constant"
    value: Real

    def at(self, step: int) -> float:
        return self.value

    @property
    def length(self) -> int:
        return 0
