from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from engine.losses.face.base import FACE_LOSSES, Each, FaceLoss
from engine.losses.face.context import given
from engine.losses.face.inputs import LossInputs, When
from engine.losses.face.nearest import covered, nearest_cosine


@FACE_LOSSES.register("nearest_id")
class NearestId(FaceLoss):
    """Look like the person did at that age: 1 - cosine to the most similar photo around it.

    Only for targets within the person's ages, sample by sample: beyond them nobody knows.
    """

    kind: Literal["nearest_id"] = "nearest_id"
    when: When = "aged"
    radius: int = Field(default=3, ge=0)
    """Years around the age of the nearest photo."""
    needs: ClassVar[frozenset[str]] = frozenset({"identity_net", "references"})

    def applies(self, trial: LossInputs) -> Tensor:
        references = given(trial.parts.references, "references")
        return super().applies(trial) & covered(references, trial.target_age)

    def each(self, trial: LossInputs) -> Each:
        references = given(trial.parts.references, "references")
        cosine = nearest_cosine(trial.embedding(), references, trial.target_age, radius=self.radius)
        return Each(1 - cosine, {"cosine": cosine})
