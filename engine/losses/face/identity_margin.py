from typing import ClassVar, Literal

from pydantic import Field

from engine.core.numbers import Real
from engine.losses.face.base import FACE_LOSSES, FaceLoss, PerSample
from engine.losses.face.inputs import LossInputs


@FACE_LOSSES.register("identity_margin")
class IdentityMargin(FaceLoss):
    """Reach a cosine of `margin` to the photo: a hinge, zero beyond it."""

    kind: Literal["identity_margin"] = "identity_margin"
    margin: Real = Field(default=0.88, ge=-1, le=1)
    needs: ClassVar[frozenset[str]] = frozenset({"identity"})

    def per_sample(self, inputs: LossInputs) -> PerSample:
        cosine = (inputs.embedding() * inputs.source_embedding()).sum(dim=1)
        within = (cosine >= self.margin).float()
        return PerSample((self.margin - cosine).relu(), {"within": within})
