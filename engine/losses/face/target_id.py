from typing import ClassVar, Literal

from pydantic import Field

from engine.core.numbers import OLDEST, Real
from engine.losses.face.base import FACE_LOSSES, Each
from engine.losses.face.context import given
from engine.losses.face.inputs import LossInputs
from engine.losses.face.window import Windowed


@FACE_LOSSES.register("target_id")
class TargetId(Windowed):
    """Look like the person's mean face of the target age: 1 - cosine to the nearest prototype."""

    kind: Literal["target_id"] = "target_id"
    youngest: Real = Field(default=38, ge=0, le=OLDEST)
    oldest: Real = Field(default=42, ge=0, le=OLDEST)
    needs: ClassVar[frozenset[str]] = frozenset({"identity_net", "prototypes"})

    def each(self, trial: LossInputs) -> Each:
        prototypes = given(trial.parts.prototypes, "prototypes")
        cosine = (trial.embedding() * prototypes.nearest(trial.target_age)).sum(dim=1)
        return Each(1 - cosine, {"cosine": cosine})
