from typing import Literal

from torch import Tensor

from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss
from engine.landscapes.losses.inputs import LandscapeLossInputs


@LANDSCAPE_LOSSES.register("kl")
class KlDivergence(LandscapeLoss):
    """KL divergence of the encoded latents from the standard normal, mean over batch and dimension.

    Kingma and Welling 2014, appendix B; times the latent width it is the usual sum in nats.
    """

    kind: Literal["kl"] = "kl"
    encodes = True

    def generator_loss(self, inputs: LandscapeLossInputs) -> Tensor:
        mean, log_variance = inputs.encoded()
        return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).mean()
