from typing import ClassVar, Literal

from engine.losses.face.base import FACE_LOSSES, PerSample
from engine.losses.face.context import required
from engine.losses.face.image import ImageLoss
from engine.losses.face.inputs import LossInputs


@FACE_LOSSES.register("perceptual")
class Perceptual(ImageLoss):
    """Keep the photo's appearance: the perceptual distance that the recipe names."""

    kind: Literal["perceptual"] = "perceptual"
    needs: ClassVar[frozenset[str]] = frozenset({"perceptual"})

    def per_sample(self, inputs: LossInputs) -> PerSample:
        distance = required(inputs.context.perceptual, "perceptual")
        return PerSample(distance(*self.pictures(inputs)))
