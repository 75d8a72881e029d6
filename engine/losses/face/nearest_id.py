from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from engine.losses.face.base import FACE_LOSSES, FaceLoss, PerSample
from engine.losses.face.context import required
from engine.losses.face.inputs import LossInputs, When
from engine.losses.face.nearest import covered, nearest_cosine


@FACE_LOSSES.register("nearest_id")
class NearestId(FaceLoss):
    """Look like the person did at that age: 1 - cosine to the most similar photo around it.

    Only for target ages within the person's own, sample by sample: outside there is no reference.
    The photo that the output was made from is none either.
    """

    kind: Literal["nearest_id"] = "nearest_id"
    when: When = "aged"
    radius: int = Field(default=3, ge=0)
    """Years around the age of the nearest photo."""
    needs: ClassVar[frozenset[str]] = frozenset({"identity", "references"})

    def mask(self, inputs: LossInputs) -> Tensor:
        references = required(inputs.context.references, "references")
        return super().mask(inputs) & covered(references, inputs.target_age)

    def per_sample(self, inputs: LossInputs) -> PerSample:
        cosine = nearest_cosine(inputs, self.radius)
        return PerSample(1 - cosine, {"cosine": cosine})
