from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from engine.landscapes.losses.base import SCAPE_LOSSES, ScapeLoss, Weighed
from engine.landscapes.losses.inputs import ScapeTrial


@SCAPE_LOSSES.register("hinge")
class Hinge(ScapeLoss):
    """Hinge game (Lim and Ye 2017): 2 for a discriminator that says 0 to everything."""

    kind: Literal["hinge"] = "hinge"

    def painting(self, trial: ScapeTrial) -> Tensor:
        return -trial.verdict("painted").logits.mean()

    def judging(self, trial: ScapeTrial, step: int) -> Weighed:
        real, fake = trial.verdict("real").logits, trial.verdict("painted").logits
        return Weighed(F.relu(1 - real).mean() + F.relu(1 + fake).mean(), 1.0)
