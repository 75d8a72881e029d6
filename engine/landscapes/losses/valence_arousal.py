from typing import Literal

from pydantic import Field
from torch import Tensor

from engine.core.numbers import Real
from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss
from engine.landscapes.losses.inputs import LandscapeLossInputs
from engine.training.task import Term


@LANDSCAPE_LOSSES.register("valence_arousal")
class ValenceArousal(LandscapeLoss):
    """Squared error of the valence and arousal that the discriminator's auxiliary head predicts.

    An auxiliary regressor as in AC-GAN (Odena et al. 2017); it is trained on real images only.
    """

    kind: Literal["valence_arousal"] = "valence_arousal"
    discriminator_weight: Real = Field(default=0.5, ge=0)
    """Weight in the discriminator loss."""

    def generator_loss(self, inputs: LandscapeLossInputs) -> Tensor:
        return (inputs.output("generated").va - inputs.target_va).square().mean()

    def discriminator_loss(self, inputs: LandscapeLossInputs, step: int) -> Term:
        error = (inputs.output("real").va - inputs.va).square().mean()
        return Term(error, self.discriminator_weight)
