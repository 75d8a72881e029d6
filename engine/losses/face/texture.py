from typing import Literal

from engine.losses.face.base import FACE_LOSSES, Each
from engine.losses.face.framed import Framed
from engine.losses.face.inputs import LossInputs
from engine.losses.texture import FAINT, strength


@FACE_LOSSES.register("texture")
class Texture(Framed):
    """Keep as much stubble, grain and wrinkling as the photo has, wherever each hair of it lies.

    What cannot be foretold pixel by pixel is blurred by `pixel` and `perceptual`; this asks for its
    strength alone, in shares of the photo's mean.
    """

    kind: Literal["texture"] = "texture"

    def each(self, trial: LossInputs) -> Each:
        made, photo = self.pictures(trial)
        ours, theirs = strength(made), strength(photo)
        apart = (ours - theirs).abs().mean(dim=(2, 3))
        return Each((apart / theirs.mean(dim=(2, 3)).clamp(min=FAINT)).mean(dim=1))
