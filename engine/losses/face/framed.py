"""Losses that compare the pictures themselves, whole or in the face only."""

from typing import Literal

from torch import Tensor

from engine.losses.face.base import FaceLoss
from engine.losses.face.inputs import LossInputs
from engine.losses.face.regions import face_crop

Frame = Literal["full", "face"]


class Framed(FaceLoss):
    """A loss on a part of the pictures."""

    region: Frame = "full"
    """`face` is the crop that ArcFace looks at."""

    def marks(self) -> list[str]:
        return [*([] if self.region == "full" else [self.region]), *super().marks()]

    def pictures(self, trial: LossInputs) -> tuple[Tensor, Tensor]:
        """The picture made and the photo, in this frame."""
        if self.region == "full":
            return trial.output, trial.source
        return face_crop(trial.output), face_crop(trial.source)
