from typing import ClassVar, Literal

from engine.core.numbers import AGE_CAP
from engine.losses.face.base import FACE_LOSSES, FaceLoss, PerSample
from engine.losses.face.inputs import LossInputs


@FACE_LOSSES.register("ageing")
class Ageing(FaceLoss):
    """Reach the target age: the squared error of the estimated age, in centuries."""

    kind: Literal["ageing"] = "ageing"
    needs: ClassVar[frozenset[str]] = frozenset({"age"})

    def per_sample(self, inputs: LossInputs) -> PerSample:
        error = inputs.years() - inputs.target_age
        return PerSample((error / AGE_CAP).square(), {"years": error.abs()})
