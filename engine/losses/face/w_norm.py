from typing import Literal

from engine.losses.face.base import FACE_LOSSES, Each, FaceLoss
from engine.losses.face.inputs import LossInputs


@FACE_LOSSES.register("w_norm")
class WNorm(FaceLoss):
    """Stay where the generator knows faces: the Frobenius norm of w+ minus the latent average."""

    kind: Literal["w_norm"] = "w_norm"

    def each(self, trial: LossInputs) -> Each:
        away = trial.w_plus.float() - trial.latent_average
        return Each(away.flatten(1).norm(dim=1))
