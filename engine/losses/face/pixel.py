from typing import Literal

from engine.losses.face.base import FACE_LOSSES, Each
from engine.losses.face.framed import Framed
from engine.losses.face.inputs import LossInputs


@FACE_LOSSES.register("pixel")
class Pixel(Framed):
    """Keep the photo's pixels: their mean squared error in [-1, 1], so at most 4."""

    kind: Literal["pixel"] = "pixel"

    def each(self, trial: LossInputs) -> Each:
        made, photo = self.pictures(trial)
        return Each((made.float() - photo.float()).square().mean(dim=(1, 2, 3)))
