from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss, WeightedTerm
from engine.landscapes.losses.inputs import LandscapeLossInputs


@LANDSCAPE_LOSSES.register("hinge")
class Hinge(LandscapeLoss):
    """Hinge game (Lim and Ye 2017): 2 for a discriminator that says 0 to everything."""

    kind: Literal["hinge"] = "hinge"

    def painting(self, trial: LandscapeLossInputs) -> Tensor:
        return -trial.verdict("painted").logits.mean()

    def judging(self, trial: LandscapeLossInputs, step: int) -> WeightedTerm:
        real, fake = trial.verdict("real").logits, trial.verdict("painted").logits
        return WeightedTerm(F.relu(1 - real).mean() + F.relu(1 + fake).mean(), 1.0)
