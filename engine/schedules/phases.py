from collections.abc import Sequence
from typing import Literal

from engine.core.errors import RecipeError
from engine.core.table import fault_of
from engine.schedules.base import SCHEDULES, Schedule, ScheduleValue
from engine.schedules.chain import Chain, Link


@SCHEDULES.register("phases")
class ByPhase(Schedule):
    """A schedule for each phase by name; a table without `kind` in a recipe means this.

    Each counts from the first step of its phase. Names that the recipe has no phase for are
    allowed, so that recipes of one stage and of two can share a table.

    >>> weight = ByPhase(values={"warm": 0.0, "full": {"kind": "linear", "start": 0.5, "end": 1.0}})
    >>> weight = weight.placed([("warm", 6_000), ("full", 1_000)])
    >>> weight.at(5_999), weight.at(6_000), weight.at(6_500), weight.at(9_000)
    (0.0, 0.5, 0.75, 1.0)
    """

    kind: Literal["phases"] = "phases"
    values: dict[str, ScheduleValue]

    def at(self, step: int) -> float:
        raise RecipeError("a schedule by phase has a value only in a recipe with these phases")

    @property
    def length(self) -> int:
        raise RecipeError("a schedule by phase has a length only in a recipe with these phases")

    def placed(self, phases: Sequence[tuple[str, int]]) -> Schedule:
        """One schedule over all the phases; a fault if one of them has no value."""
        for name, _ in phases:
            if name not in self.values:
                known = ", ".join(f"`{key}`" for key in self.values)
                raise fault_of(
                    f"no value for the phase `{name}`, only for {known}; a schedule that is not by"
                    " phase needs a `kind`"
                )
        links = [(self.values[name].placed([(name, steps)]), steps) for name, steps in phases]
        if len(links) == 1:
            return links[0][0]
        *before, (last, _) = links
        return Chain(links=(*(Link(schedule=s, steps=n) for s, n in before), Link(schedule=last)))
