from typing import Literal

from engine.losses.face.base import FACE_LOSSES, FaceLoss, PerSample
from engine.losses.face.inputs import LossInputs


@FACE_LOSSES.register("w_norm")
class WNorm(FaceLoss):
    """Stay near the latent average: the Frobenius norm of w+ minus it."""

    kind: Literal["w_norm"] = "w_norm"

    def per_sample(self, inputs: LossInputs) -> PerSample:
        difference = inputs.w_plus.float() - inputs.latent_average
        return PerSample(difference.flatten(1).norm(dim=1))
