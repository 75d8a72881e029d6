from typing import Literal

from engine.losses.face.base import FACE_LOSSES, PerSample
from engine.losses.face.image import ImageLoss
from engine.losses.face.inputs import LossInputs


@FACE_LOSSES.register("pixel")
class Pixel(ImageLoss):
    """Keep the photo's pixels: their mean squared error in [-1, 1], so at most 4."""

    kind: Literal["pixel"] = "pixel"

    def per_sample(self, inputs: LossInputs) -> PerSample:
        output, photo = self.pictures(inputs)
        return PerSample((output.float() - photo.float()).square().mean(dim=(1, 2, 3)))
