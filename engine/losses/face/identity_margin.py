from typing import ClassVar, Literal

from pydantic import Field

from engine.core.numbers import Real
from engine.losses.face.base import FACE_LOSSES, Each, FaceLoss
from engine.losses.face.inputs import LossInputs


@FACE_LOSSES.register("identity_margin")
class IdentityMargin(FaceLoss):
    """Stay as like as `margin` to the photo, and be free beyond: a hinge on the cosine."""

    kind: Literal["identity_margin"] = "identity_margin"
    margin: Real = Field(default=0.88, ge=-1, le=1)
    needs: ClassVar[frozenset[str]] = frozenset({"identity_net"})

    def each(self, trial: LossInputs) -> Each:
        cosine = (trial.embedding() * trial.source_embedding()).sum(dim=1)
        return Each((self.margin - cosine).relu(), {"within": (cosine >= self.margin).float()})
