from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss
from engine.landscapes.losses.inputs import LandscapeLossInputs
from engine.training.task import Term


@LANDSCAPE_LOSSES.register("relativistic")
class Relativistic(LandscapeLoss):
    """Relativistic pairing loss: ln 2 for a discriminator with equal logits for both.

    R3GAN (Huang et al. 2024, equation 2); it converges with R1 and R2 only.
    """

    kind: Literal["relativistic"] = "relativistic"

    def generator_loss(self, inputs: LandscapeLossInputs) -> Tensor:
        return F.softplus(inputs.output("real").logits - inputs.output("generated").logits).mean()

    def discriminator_loss(self, inputs: LandscapeLossInputs, step: int) -> Term:
        difference = inputs.output("generated").logits - inputs.output("real").logits
        return Term(F.softplus(difference).mean(), 1.0)
