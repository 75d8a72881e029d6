from typing import ClassVar, Literal

from engine.core.errors import WeightsError
from engine.losses.face.base import FACE_LOSSES, Each, FaceLoss
from engine.losses.face.context import LossContext, given
from engine.losses.face.inputs import Direction, LossInputs


@FACE_LOSSES.register("age_anchor")
class AgeAnchor(FaceLoss):
    """Stay near the mean codes of the person's photos of that age.

    The mean over styles and width of the squared difference, both with the latent average in them.
    """

    kind: Literal["age_anchor"] = "age_anchor"
    on: tuple[Direction, ...] = ("real",)
    needs: ClassVar[frozenset[str]] = frozenset({"anchors"})

    def faults(self, parts: LossContext) -> list[str]:
        found = super().faults(parts)
        if parts.anchors is not None and parts.latent_average is not None:
            try:
                parts.anchors.require_frame(parts.latent_average)
            except WeightsError as error:
                found.append(f"the loss `{self.name}` cannot work: {error}")
        return found

    def each(self, trial: LossInputs) -> Each:
        anchors = given(trial.parts.anchors, "anchors")
        away = trial.w_plus.float() - anchors.nearest(trial.target_age)
        return Each(away.square().mean(dim=(1, 2)))
