from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator

from engine.core.numbers import Count
from engine.core.table import Table
from engine.schedules.base import SCHEDULES, Schedule, ScheduleValue


class Link(Table):
    """One schedule of a chain, counted from its own first step."""

    schedule: ScheduleValue
    steps: Count | None = Field(default=None, gt=0)
    """How long it lasts; absent in the last link."""


@SCHEDULES.register("chain")
class Chain(Schedule):
    """One schedule after another, such as a constant and then a cosine.

    >>> rate = Chain(links=[
    ...     {"steps": 500, "schedule": 1e-4},
    ...     {"schedule": {"kind": "cosine", "start": 1e-4, "end": 5e-7, "steps": 59_500}},
    ... ])
    >>> rate.at(499), rate.at(500), rate.at(60_000)
    (0.0001, 0.0001, 5e-07)
    """

    kind: Literal["chain"] = "chain"
    links: tuple[Link, ...]

    @field_validator("links")
    @classmethod
    def _timed(cls, links: tuple[Link, ...]) -> tuple[Link, ...]:
        if not links:
            raise ValueError("a chain needs at least one link")
        if any(link.steps is None for link in links[:-1]) or links[-1].steps is not None:
            raise ValueError("every link but the last needs `steps`, and the last has none")
        return links

    def at(self, step: int) -> float:
        for link in self.links:
            if link.steps is None or step < link.steps:
                return link.schedule.at(step)
            step -= link.steps
        raise AssertionError("the last link has no end")

    @property
    def length(self) -> int:
        before = sum(link.steps for link in self.links if link.steps is not None)
        return before + self.links[-1].schedule.length

    def placed(self, phases: Sequence[tuple[str, int]]) -> Schedule:
        """The same with every link placed; the last one ends with the phases."""
        rest, links = sum(steps for _, steps in phases), list[Link]()
        for link in self.links:
            steps = max(rest, 1) if link.steps is None else link.steps
            links.append(Link(schedule=link.schedule.placed([("", steps)]), steps=link.steps))
            rest -= steps
        return self.model_copy(update={"links": tuple(links)})
