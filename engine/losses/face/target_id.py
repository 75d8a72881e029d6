from typing import ClassVar, Literal

from pydantic import Field

from engine.core.numbers import OLDEST, Real
from engine.losses.face.age_range import AgeRangeLoss
from engine.losses.face.base import FACE_LOSSES, PerSample
from engine.losses.face.context import required
from engine.losses.face.inputs import LossInputs


@FACE_LOSSES.register("target_id")
class TargetId(AgeRangeLoss):
    """Look like the person's mean face of the target age: 1 - cosine to the nearest prototype."""

    kind: Literal["target_id"] = "target_id"
    youngest: Real = Field(default=38, ge=0, le=OLDEST)
    oldest: Real = Field(default=42, ge=0, le=OLDEST)
    needs: ClassVar[frozenset[str]] = frozenset({"identity", "prototypes"})

    def per_sample(self, inputs: LossInputs) -> PerSample:
        prototypes = required(inputs.context.prototypes, "prototypes")
        cosine = (inputs.embedding() * prototypes.nearest(inputs.target_age)).sum(dim=1)
        return PerSample(1 - cosine, {"cosine": cosine})
