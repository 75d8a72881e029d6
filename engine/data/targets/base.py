"""The base of target age samplers."""

from abc import ABC, abstractmethod
from math import ceil, floor
from typing import Annotated, NamedTuple

import torch
from pydantic import Field, SerializeAsAny, field_validator
from torch import Tensor

from engine.core.numbers import Real, Span
from engine.core.registry import Registry
from engine.core.table import Table, one_of
from engine.runtime.draws import Draws

TARGETS: Registry["TargetAges"] = Registry("target age sampler", package="engine.data.targets")
SAME = "target/same"
AGE = "target/age"


class Targets(NamedTuple):
    """The target of every sample, on the CPU."""

    ages: Tensor
    """(b,) years."""
    same: Tensor
    """(b,) bool: the target is the photo's own age."""


class TargetAges(Table, ABC):
    """A sampler of target ages, sample by sample."""

    kind: str
    same: Real = Field(default=1 / 3, ge=0, le=1)
    """Share of the samples that keep their age (a third in SAM, Alaluf et al. 2021)."""

    def sample(self, source_ages: Tensor, draws: Draws, *, step: int, known: Span) -> Targets:
        """Target ages of photos of source_ages (b,) in years.

        known: the ages of the person's photos.
        """
        same = (draws.uniform(SAME) < self.same) & self.keeps(source_ages)
        ages = self.aged(draws, step=step, known=known)
        return Targets(torch.where(same, source_ages.float(), ages), same)

    def keeps(self, source_ages: Tensor) -> Tensor:
        """(b,) bool: which photos may keep their age."""
        return torch.ones_like(source_ages, dtype=torch.bool)

    @abstractmethod
    def aged(self, draws: Draws, *, step: int, known: Span) -> Tensor:
        """Ages (b,) in years of the samples that do not keep theirs."""


class Ranged(TargetAges):
    """A sampler of whole years within a range."""

    ages: Span = Span(0, 100)
    """Both ends included."""

    @field_validator("ages")
    @classmethod
    def _holds_a_year(cls, ages: Span) -> Span:
        if ceil(ages.low) > floor(ages.high):
            raise ValueError(f"there is no whole year in {ages}")
        return ages


TargetChoice = Annotated[SerializeAsAny[TargetAges], one_of(TARGETS)]
"""The type of a target age sampler in a recipe."""


def whole_year(share: Tensor, low: float, high: float) -> Tensor:
    """The year at shares (b,) in [0, 1) of the whole years from low to high, both included: (b,).

    >>> whole_year(torch.tensor([0.0, 0.5, 0.999]), 38, 42)
    tensor([38., 40., 42.])
    """
    first, last = ceil(low), floor(high)
    return (first + (share * (last - first + 1)).floor()).clamp(max=last)
