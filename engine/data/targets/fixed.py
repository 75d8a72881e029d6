from typing import Literal

from torch import Tensor

from engine.core.numbers import OLDEST, AgeWindow, Span
from engine.data.targets.base import AGE, TARGETS, TargetAges, whole_year
from engine.runtime.draws import Draws


@TARGETS.register("fixed")
class Fixed(TargetAges):
    """One age with a jitter of whole years: every target lies in the window.

    A photo keeps its age only where it lies in the window too.
    """

    kind: Literal["fixed"] = "fixed"
    age: AgeWindow
    """The age in years and its jitter, such as `40±2`."""

    def keeps(self, source_ages: Tensor) -> Tensor:
        low, high = self.age.span
        return (source_ages >= low) & (source_ages <= high)

    def aged(self, draws: Draws, *, step: int, known: Span) -> Tensor:
        middle, jitter = self.age
        low, high = max(-jitter, -middle), min(jitter, OLDEST - middle)
        return middle + whole_year(draws.uniform(AGE), low, high)
