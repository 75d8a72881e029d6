from typing import ClassVar, Literal

from pydantic import Field

from engine.core.numbers import Real
from engine.losses.face.base import FACE_LOSSES, Each, FaceLoss
from engine.losses.face.distance import likeness
from engine.losses.face.inputs import Direction, LossInputs


@FACE_LOSSES.register("adaptive_w_norm")
class AdaptiveWNorm(FaceLoss):
    """Follow the global prior where the photos are silent, the more the further the age has moved.

    u(d) ||w+ - w of the prior||, u growing from 0 to half the strength at a century (Qi et al.
    2025, equation 7). The mean over the batch: a sum would double with its size.
    """

    kind: Literal["adaptive_w_norm"] = "adaptive_w_norm"
    on: tuple[Direction, ...] = ("real",)
    strength: Real = Field(default=7.0, ge=0)
    """10 to 30 keeps more of the prior, 5 less."""
    reads_prior: ClassVar[bool] = True

    def each(self, trial: LossInputs) -> Each:
        away = (trial.w_plus.float() - trial.prior()).flatten(1).norm(dim=1)
        pull = self.strength * (1 - likeness(trial.source_age, trial.target_age))
        return Each(pull * away, {"distance": away})
