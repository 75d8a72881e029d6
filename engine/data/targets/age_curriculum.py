from math import ceil, floor
from typing import Literal

import torch
from torch import Tensor

from engine.core.numbers import Span
from engine.data.targets.base import AGE, TARGETS, Ranged, whole_year
from engine.runtime.draws import Draws
from engine.schedules import ScheduleValue, parse_schedule

BEYOND, SIDE = "target/beyond", "target/side"


@TARGETS.register("curriculum")
class AgeCurriculum(Ranged):
    """Ages within those of the person's photos, and with a growing share ages beyond them.

    Beyond, younger and older ages are equally likely, as far as `ages` has room on either side.
    """

    kind: Literal["curriculum"] = "curriculum"
    beyond: ScheduleValue = parse_schedule(
        {
            "kind": "chain",
            "links": [
                {"steps": 3000, "schedule": 0.0},
                {"schedule": {"kind": "linear", "start": 0.0, "end": 0.5, "steps": 57_000}},
            ],
        }
    )
    """Share of the aged samples with a target age beyond those of the photos."""

    def aged(self, draws: Draws, *, step: int, known: Span) -> Tensor:
        share = draws.uniform(AGE)
        low, high = max(known.low, self.ages.low), min(known.high, self.ages.high)
        within = _years(low, high)
        younger = _years(self.ages.low, ceil(known.low) - 1)
        older = _years(floor(known.high) + 1, self.ages.high)
        sides = [whole_year(share, *side) for side in (younger, older) if side]
        if not sides:
            return self._inside(share, within)
        to_older = draws.uniform(SIDE) >= 0.5
        beyond = torch.where(to_older, sides[-1], sides[0])
        if within is None:
            return beyond
        outside = draws.uniform(BEYOND) < self.beyond.at(step)
        return torch.where(outside, beyond, whole_year(share, *within))

    def _inside(self, share: Tensor, within: tuple[int, int] | None) -> Tensor:
        # `ages` holds a whole year, which is either within the person's ages or beyond them.
        return whole_year(share, *(within if within is not None else self.ages))


def _years(low: float, high: float) -> tuple[int, int] | None:
    first, last = ceil(low), floor(high)
    return (first, last) if first <= last else None
