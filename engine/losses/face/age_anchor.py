from typing import ClassVar, Literal

from engine.core.errors import WeightsError
from engine.losses.face.base import FACE_LOSSES, FaceLoss, PerSample
from engine.losses.face.context import LossContext, required
from engine.losses.face.inputs import Direction, LossInputs


@FACE_LOSSES.register("age_anchor")
class AgeAnchor(FaceLoss):
    """Stay near the mean codes of the person's photos of that age.

    The mean over styles and width of the squared difference, both with the latent average included.
    """

    kind: Literal["age_anchor"] = "age_anchor"
    on: tuple[Direction, ...] = ("real",)
    needs: ClassVar[frozenset[str]] = frozenset({"anchors"})

    def faults(self, context: LossContext) -> list[str]:
        faults = super().faults(context)
        if context.anchors is not None and context.latent_average is not None:
            try:
                context.anchors.require_frame(context.latent_average)
            except WeightsError as error:
                faults.append(f"the loss `{self.name}` cannot be computed: {error}")
        return faults

    def per_sample(self, inputs: LossInputs) -> PerSample:
        anchors = required(inputs.context.anchors, "anchors")
        difference = inputs.w_plus.float() - anchors.nearest(inputs.target_age)
        return PerSample(difference.square().mean(dim=(1, 2)))
