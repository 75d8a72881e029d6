from typing import ClassVar, Literal

from pydantic import Field

from engine.core.numbers import Real
from engine.losses.face.age_gap import age_gap_weight
from engine.losses.face.base import FACE_LOSSES, FaceLoss, PerSample
from engine.losses.face.inputs import Direction, LossInputs


@FACE_LOSSES.register("adaptive_w_norm")
class AdaptiveWNorm(FaceLoss):
    """Stay near the global prior, the more so the larger the age gap.

    u(d) ||w+ - w of the prior||, u growing from 0 to half the strength at a century (Qi et al.
    2025, equation 7). The mean over the batch: a sum would double with its size.
    """

    kind: Literal["adaptive_w_norm"] = "adaptive_w_norm"
    on: tuple[Direction, ...] = ("real",)
    strength: Real = Field(default=7.0, ge=0)
    """10 to 30 keeps more of the prior, 5 less."""
    reads_prior: ClassVar[bool] = True

    def per_sample(self, inputs: LossInputs) -> PerSample:
        distance = (inputs.w_plus.float() - inputs.prior()).flatten(1).norm(dim=1)
        weight = self.strength * (1 - age_gap_weight(inputs.source_age, inputs.target_age))
        return PerSample(weight * distance, {"distance": distance})
