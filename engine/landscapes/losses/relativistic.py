from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss, WeightedTerm
from engine.landscapes.losses.inputs import LandscapeLossInputs


@LANDSCAPE_LOSSES.register("relativistic")
class Relativistic(LandscapeLoss):
    """Pairs compete: ln 2 for a discriminator that sees no difference.

    R3GAN (Huang et al. 2024, equation 2): only with R1 and R2 does the game converge.
    """

    kind: Literal["relativistic"] = "relativistic"

    def painting(self, trial: LandscapeLossInputs) -> Tensor:
        return F.softplus(trial.verdict("real").logits - trial.verdict("painted").logits).mean()

    def judging(self, trial: LandscapeLossInputs, step: int) -> WeightedTerm:
        apart = trial.verdict("painted").logits - trial.verdict("real").logits
        return WeightedTerm(F.softplus(apart).mean(), 1.0)
