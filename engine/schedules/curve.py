"""What schedules with an end share: a length, which may be that of their phase, and a warm-up."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from pydantic import Field

from engine.core.errors import RecipeError
from engine.core.numbers import Count, Real
from engine.schedules.base import Schedule


class Curve(Schedule, ABC):
    """A schedule that leaves `start`, after a linear warm-up if there is one, and then stays."""

    start: Real
    steps: Count | None = Field(default=None, gt=0)
    """Length with the warm-up; if absent, that of the phase (for a loss weight, of the run)."""
    warmup: Count = Field(default=0, ge=0)
    """Steps in which the value first rises to `start` in equal parts, the first at step 0."""

    def at(self, step: int) -> float:
        if step < self.warmup:
            return self.start * ((step + 1) / self.warmup)
        return self.after(min(step - self.warmup, self.decay))

    @abstractmethod
    def after(self, step: int) -> float:
        """The value so many steps after the warm-up, at most to the end."""

    @property
    def length(self) -> int:
        if self.steps is None:
            raise RecipeError(f"`{self.kind}` needs `steps` outside of a phase")
        return self.steps

    @property
    def decay(self) -> int:
        """Steps after the warm-up, 1 if it takes all of them."""
        return max(self.length - self.warmup, 1)

    def placed(self, phases: Sequence[tuple[str, int]]) -> Schedule:
        if self.steps is not None:
            return self
        return self.model_copy(update={"steps": sum(steps for _, steps in phases)})
