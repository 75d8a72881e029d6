"""The recipe table of a network whose stages each halve the picture."""

from typing import Self

from pydantic import Field, field_validator, model_validator

from engine.core.table import Table, fault_of


class StagedNet(Table):
    """Input size in px and the widths of the stages."""

    size: int = Field(default=96, ge=16)
    widths: tuple[int, ...] = (32, 64, 96, 160)

    @field_validator("widths")
    @classmethod
    def _positive(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        if not widths or min(widths) < 1:
            raise ValueError("a network needs at least one stage, each at least 1 wide")
        return widths

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.size % 2 ** len(self.widths):
            raise fault_of(f"`size` must be divisible by {2 ** len(self.widths)}, one 2 a stage")
        return self
