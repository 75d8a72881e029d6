"""Losses that compare pictures, whole or in the face only."""

from typing import Literal

from torch import Tensor

from engine.losses.face.base import FaceLoss
from engine.losses.face.inputs import LossInputs
from engine.losses.face.regions import face_crop


class ImageLoss(FaceLoss):
    """A loss on a region of output and photo."""

    region: Literal["full", "face"] = "full"
    """`face` is the crop that ArcFace takes as input."""

    def suffixes(self) -> list[str]:
        return [*([] if self.region == "full" else [self.region]), *super().suffixes()]

    def pictures(self, inputs: LossInputs) -> tuple[Tensor, Tensor]:
        """The region of the output and of the photo."""
        if self.region == "full":
            return inputs.output, inputs.source
        return face_crop(inputs.output), face_crop(inputs.source)
