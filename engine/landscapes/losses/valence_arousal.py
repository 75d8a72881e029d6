from typing import Literal

from pydantic import Field
from torch import Tensor

from engine.core.numbers import Real
from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss, WeightedTerm
from engine.landscapes.losses.inputs import LandscapeLossInputs


@LANDSCAPE_LOSSES.register("place")
class Place(LandscapeLoss):
    """Valence and arousal read off the picture: the reader learns on real pictures only.

    The generator is to paint what the reader finds where it was asked for (Odena et al. 2017).
    """

    kind: Literal["place"] = "place"
    judge: Real = Field(default=0.5, ge=0)
    """Weight in the discriminator's turn."""

    def painting(self, trial: LandscapeLossInputs) -> Tensor:
        return (trial.verdict("painted").places - trial.asked).square().mean()

    def judging(self, trial: LandscapeLossInputs, step: int) -> WeightedTerm:
        off = (trial.verdict("real").places - trial.places).square().mean()
        return WeightedTerm(off, self.judge)
