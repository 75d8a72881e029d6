"""What a loss of the landscape game is, and how a recipe's losses become the terms of a turn."""

from abc import ABC
from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import SerializeAsAny
from torch import Tensor

from engine.core.registry import Registry
from engine.core.table import Table, one_of
from engine.landscapes.losses.inputs import LandscapeLossInputs
from engine.losses.terms import Term as WeightedTerm
from engine.schedules import ScheduleValue

LANDSCAPE_LOSSES: Registry["LandscapeLoss"] = Registry("loss", package="engine.landscapes.losses")


class LandscapeLoss(Table, ABC):
    """One term: what it asks of the generator, of the discriminator, or of both."""

    kind: str
    weight: ScheduleValue
    """Weight in the generator's turn; schedules count from the first step of the run."""

    encodes: ClassVar[bool] = False
    """Whether there has to be an encoder."""

    def needs_encoder(self) -> bool:
        """Whether there has to be an encoder for it as it is set."""
        return self.encodes

    def painting(self, trial: LandscapeLossInputs) -> Tensor | None:
        """What the generator is to make small; None if it asks nothing of it."""
        return None

    def judging(self, trial: LandscapeLossInputs, step: int) -> WeightedTerm | None:
        """What the discriminator is to make small; None if it asks nothing of it at this step."""
        return None


LandscapeLossChoice = Annotated[SerializeAsAny[LandscapeLoss], one_of(LANDSCAPE_LOSSES)]
"""The type of a loss in a recipe."""


def painting_terms(
    trial: LandscapeLossInputs, losses: Sequence[LandscapeLoss], step: int
) -> dict[str, WeightedTerm]:
    """The terms of the generator's turn that count at `step`; others are not computed."""
    terms: dict[str, WeightedTerm] = {}
    for loss in losses:
        weight = loss.weight.at(step)
        value = loss.painting(trial) if weight else None
        if value is not None:
            terms[f"paint/{loss.kind}"] = WeightedTerm(value, weight)
    return terms


def judging_terms(
    trial: LandscapeLossInputs, losses: Sequence[LandscapeLoss], step: int
) -> dict[str, WeightedTerm]:
    """The terms of the discriminator's turn."""
    found = {f"judge/{loss.kind}": loss.judging(trial, step) for loss in losses}
    return {name: term for name, term in found.items() if term is not None and term.weight}
