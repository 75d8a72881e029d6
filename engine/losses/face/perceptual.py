from typing import ClassVar, Literal

from engine.losses.face.base import FACE_LOSSES, Each
from engine.losses.face.context import given
from engine.losses.face.framed import Framed
from engine.losses.face.inputs import LossInputs


@FACE_LOSSES.register("perceptual")
class Perceptual(Framed):
    """Keep what a person sees of the photo, by the distance that the recipe names."""

    kind: Literal["perceptual"] = "perceptual"
    needs: ClassVar[frozenset[str]] = frozenset({"distance"})

    def each(self, trial: LossInputs) -> Each:
        distance = given(trial.parts.distance, "distance")
        return Each(distance(*self.pictures(trial)))
