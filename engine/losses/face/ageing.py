from typing import ClassVar, Literal

from engine.losses.face.base import FACE_LOSSES, Each, FaceLoss
from engine.losses.face.distance import AGE_CAP
from engine.losses.face.inputs import LossInputs


@FACE_LOSSES.register("ageing")
class Ageing(FaceLoss):
    """Look as old as was asked for: the squared error of the expected age, in centuries."""

    kind: Literal["ageing"] = "ageing"
    needs: ClassVar[frozenset[str]] = frozenset({"ages"})

    def each(self, trial: LossInputs) -> Each:
        years = trial.years() - trial.target_age
        return Each((years / AGE_CAP).square(), {"years": years.abs()})
