"""Losses that speak of some target ages only."""

from typing import Self

from pydantic import Field, model_validator
from torch import Tensor

from engine.core.numbers import OLDEST, Real
from engine.core.table import fault_of
from engine.losses.face.base import FaceLoss
from engine.losses.face.inputs import Direction, LossInputs


class Windowed(FaceLoss):
    """A loss for target ages, as whole years, from `youngest` to `oldest`."""

    on: tuple[Direction, ...] = ("real",)
    youngest: Real | None = Field(default=None, ge=0, le=OLDEST)
    """Absent means no bound; 0 is a bound like any other."""
    oldest: Real | None = Field(default=None, ge=0, le=OLDEST)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.youngest is not None and self.oldest is not None and self.youngest > self.oldest:
            raise fault_of("`youngest` is older than `oldest`")
        return self

    def applies(self, trial: LossInputs) -> Tensor:
        years = trial.target_age.round()
        chosen = super().applies(trial)
        if self.youngest is not None:
            chosen = chosen & (years >= self.youngest)
        if self.oldest is not None:
            chosen = chosen & (years <= self.oldest)
        return chosen
