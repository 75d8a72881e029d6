from typing import Literal

from torch import Tensor

from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss
from engine.landscapes.losses.inputs import LandscapeLossInputs


@LANDSCAPE_LOSSES.register("code_spread")
class CodeSpread(LandscapeLoss):
    """Divergence of the codes from the standard normal, the mean over batch and dimensions.

    Kingma and Welling 2014, appendix B; times the width of the code it is the usual sum in nats.
    """

    kind: Literal["code_spread"] = "code_spread"
    encodes = True

    def painting(self, trial: LandscapeLossInputs) -> Tensor:
        mean, log_variance = trial.code()
        return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).mean()
