"""Losses that apply to a range of target ages."""

from typing import Self

from pydantic import Field, model_validator
from torch import Tensor

from engine.core.numbers import OLDEST, Real
from engine.core.table import fault_of
from engine.losses.face.base import FaceLoss
from engine.losses.face.inputs import Direction, LossInputs


class AgeRangeLoss(FaceLoss):
    """A loss for target ages, in whole years, from `youngest` to `oldest` inclusive."""

    on: tuple[Direction, ...] = ("real",)
    youngest: Real | None = Field(default=None, ge=0, le=OLDEST)
    """No bound if absent; 0 is a bound like any other."""
    oldest: Real | None = Field(default=None, ge=0, le=OLDEST)
    """The same at the other end."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.youngest is not None and self.oldest is not None and self.youngest > self.oldest:
            raise fault_of("`youngest` is older than `oldest`")
        return self

    def mask(self, inputs: LossInputs) -> Tensor:
        years = inputs.target_age.round()
        mask = super().mask(inputs)
        if self.youngest is not None:
            mask = mask & (years >= self.youngest)
        if self.oldest is not None:
            mask = mask & (years <= self.oldest)
        return mask
