from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss
from engine.landscapes.losses.inputs import LandscapeLossInputs
from engine.training.task import Term


@LANDSCAPE_LOSSES.register("hinge")
class Hinge(LandscapeLoss):
    """Hinge loss (Lim and Ye 2017): 2 for a discriminator whose logits are all 0."""

    kind: Literal["hinge"] = "hinge"

    def generator_loss(self, inputs: LandscapeLossInputs) -> Tensor:
        return -inputs.output("generated").logits.mean()

    def discriminator_loss(self, inputs: LandscapeLossInputs, step: int) -> Term:
        real, fake = inputs.output("real").logits, inputs.output("generated").logits
        return Term(F.relu(1 - real).mean() + F.relu(1 + fake).mean(), 1.0)
