from typing import Literal

from pydantic import Field
from torch import Tensor

from engine.core.numbers import Real
from engine.landscapes.losses.base import SCAPE_LOSSES, ScapeLoss, Weighed
from engine.landscapes.losses.inputs import ScapeTrial


@SCAPE_LOSSES.register("place")
class Place(ScapeLoss):
    """Valence and arousal read off the picture: the reader learns on real pictures only.

    The generator is to paint what the reader finds where it was asked for (Odena et al. 2017).
    """

    kind: Literal["place"] = "place"
    judge: Real = Field(default=0.5, ge=0)
    """Weight in the discriminator's turn."""

    def painting(self, trial: ScapeTrial) -> Tensor:
        return (trial.verdict("painted").places - trial.asked).square().mean()

    def judging(self, trial: ScapeTrial, step: int) -> Weighed:
        off = (trial.verdict("real").places - trial.places).square().mean()
        return Weighed(off, self.judge)
