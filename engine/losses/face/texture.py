from typing import Literal

from engine.losses.face.base import FACE_LOSSES, PerSample
from engine.losses.face.image import ImageLoss
from engine.losses.face.inputs import LossInputs
from engine.losses.texture import EPSILON, texture_strength


@FACE_LOSSES.register("texture")
class Texture(ImageLoss):
    """Keep the strength of the photo's stubble, grain and wrinkles, wherever each of them lies.

    `pixel` and `perceptual` blur what is not predictable pixel by pixel; this compares the local
    strength of the texture alone, relative to the photo's mean.
    """

    kind: Literal["texture"] = "texture"

    def per_sample(self, inputs: LossInputs) -> PerSample:
        output, photo = (texture_strength(picture) for picture in self.pictures(inputs))
        error = (output - photo).abs().mean(dim=(2, 3))
        return PerSample((error / photo.mean(dim=(2, 3)).clamp(min=EPSILON)).mean(dim=1))
