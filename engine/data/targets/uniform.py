from typing import Literal

from torch import Tensor

from engine.core.numbers import Span
from engine.data.targets.base import AGE, TARGETS, Ranged, whole_year
from engine.runtime.draws import Draws


@TARGETS.register("uniform")
class Uniform(Ranged):
    """Every whole year of a range with equal probability."""

    kind: Literal["uniform"] = "uniform"

    def aged(self, draws: Draws, *, step: int, known: Span) -> Tensor:
        return whole_year(draws.uniform(AGE), *self.ages)
