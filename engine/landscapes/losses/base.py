"""The base class of the landscape losses, and the terms of each optimizer step."""

from abc import ABC
from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import SerializeAsAny
from torch import Tensor

from engine.core.registry import Registry
from engine.core.table import Table, one_of
from engine.landscapes.losses.inputs import LandscapeLossInputs
from engine.schedules import ScheduleValue
from engine.training.task import Term

LANDSCAPE_LOSSES: Registry["LandscapeLoss"] = Registry("loss", package="engine.landscapes.losses")


class LandscapeLoss(Table, ABC):
    """One loss, with a term for the generator, for the discriminator, or for both."""

    kind: str
    weight: ScheduleValue
    """Weight in the generator loss; schedules count from the first step of the run."""

    encodes: ClassVar[bool] = False
    """Whether the loss always needs an encoder."""

    def needs_encoder(self) -> bool:
        """Whether the loss needs an encoder with these settings."""
        return self.encodes

    def generator_loss(self, inputs: LandscapeLossInputs) -> Tensor | None:
        """The generator's loss, a scalar; None if there is none."""
        return None

    def discriminator_loss(self, inputs: LandscapeLossInputs, step: int) -> Term | None:
        """The discriminator's loss and its weight; None if there is none at this step."""
        return None


LandscapeLossChoice = Annotated[SerializeAsAny[LandscapeLoss], one_of(LANDSCAPE_LOSSES)]
"""The type of a loss in a recipe."""


def generator_terms(
    inputs: LandscapeLossInputs, losses: Sequence[LandscapeLoss], step: int
) -> dict[str, Term]:
    """The terms of the generator's step; a loss of weight 0 at `step` is not computed."""
    terms: dict[str, Term] = {}
    for loss in losses:
        weight = loss.weight.at(step)
        value = loss.generator_loss(inputs) if weight else None
        if value is not None:
            terms[f"generator/{loss.kind}"] = Term(value, weight)
    return terms


def discriminator_terms(
    inputs: LandscapeLossInputs, losses: Sequence[LandscapeLoss], step: int
) -> dict[str, Term]:
    """The terms of the discriminator's step."""
    terms = {f"discriminator/{loss.kind}": loss.discriminator_loss(inputs, step) for loss in losses}
    return {name: term for name, term in terms.items() if term is not None and term.weight}
