"""The base of schedules, and their short forms in recipes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import SerializeAsAny, TypeAdapter, ValidationError

from engine.core.errors import RecipeError
from engine.core.numbers import parse_count, parse_number
from engine.core.registry import Registry
from engine.core.table import Table, fault_of, one_of

SCHEDULES: Registry["Schedule"] = Registry("schedule", package="engine.schedules")


class Schedule(Table, ABC):
    """A pure function of the step, without a state."""

    kind: str

    @abstractmethod
    def at(self, step: int) -> float:
        """The value at `step`, counted from 0."""

    @property
    @abstractmethod
    def length(self) -> int:
        """The step from which the value no longer changes."""

    def placed(self, phases: Sequence[tuple[str, int]]) -> "Schedule":
        """The schedule for phases by name and steps, in their order: nothing in it is left open.

        A length that is absent becomes theirs. A pydantic fault if it does not fit.
        """
        return self


def expand(value: object) -> object:
    """Turn a short form into the table it stands for.

    A bare number, text such as `0:0.05, 20k:0.07`, or a table without `kind`: a value by phase.
    """
    if isinstance(value, bool):
        raise fault_of("expected a schedule, not true or false")
    if isinstance(value, int | float):
        return {"kind": "constant", "value": value}
    if isinstance(value, dict) and "kind" not in value:
        return {"kind": "phases", "values": value}  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(value, str):
        return value
    try:
        if ":" not in value:
            return {"kind": "constant", "value": parse_number(value)}
        points = [token.partition(":") for token in value.split(",")]
        return {
            "kind": "steps",
            "points": [[parse_count(step), parse_number(level)] for step, _, level in points],
        }
    except ValueError as error:
        raise fault_of(f"`{value}` is not a schedule: {error}") from None


ScheduleValue = Annotated[SerializeAsAny[Schedule], one_of(SCHEDULES, short=expand)]
"""The type of every recipe key that may change with the step."""


def parse_schedule(value: Any) -> Schedule:
    """Read one schedule outside a recipe; RecipeError lists its faults."""
    try:
        return TypeAdapter(ScheduleValue).validate_python(value)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, f['loc']))}: {f['msg']}".lstrip(": ") for f in error.errors()
        ]
        raise RecipeError("; ".join(faults), hint="write it as `0:0.05, 20k:0.07`") from None
