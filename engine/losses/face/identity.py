from typing import ClassVar, Literal

from engine.losses.face.age_gap import age_gap_weight
from engine.losses.face.base import FACE_LOSSES, FaceLoss, PerSample
from engine.losses.face.inputs import LossInputs


@FACE_LOSSES.register("identity")
class Identity(FaceLoss):
    """Keep the photo's identity: 1 - cosine, weighted less the larger the age gap."""

    kind: Literal["identity"] = "identity"
    age_weighted: bool = True
    """Less for larger changes of age, which change a face."""
    needs: ClassVar[frozenset[str]] = frozenset({"identity"})

    def per_sample(self, inputs: LossInputs) -> PerSample:
        cosine = (inputs.embedding() * inputs.source_embedding()).sum(dim=1)
        loss = 1 - cosine
        if self.age_weighted:
            loss = loss * age_gap_weight(inputs.source_age, inputs.target_age)
        return PerSample(loss, {"cosine": cosine})
