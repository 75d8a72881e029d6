from typing import ClassVar, Literal

from engine.losses.face.base import FACE_LOSSES, Each, FaceLoss
from engine.losses.face.distance import likeness
from engine.losses.face.inputs import LossInputs


@FACE_LOSSES.register("identity")
class Identity(FaceLoss):
    """Stay who the photo shows: 1 - cosine, less strictly the further the age has moved."""

    kind: Literal["identity"] = "identity"
    age_weighted: bool = True
    needs: ClassVar[frozenset[str]] = frozenset({"identity_net"})

    def each(self, trial: LossInputs) -> Each:
        cosine = (trial.embedding() * trial.source_embedding()).sum(dim=1)
        apart = 1 - cosine
        if self.age_weighted:
            apart = apart * likeness(trial.source_age, trial.target_age)
        return Each(apart, {"cosine": cosine})
