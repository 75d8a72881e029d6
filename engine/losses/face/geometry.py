from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from engine.core.errors import RecipeError
from engine.core.numbers import Real
from engine.geometry.landmarks import LEFT_EYE, RIGHT_EYE
from engine.losses.face.base import FACE_LOSSES, Each, FaceLoss
from engine.losses.face.context import LossContext
from engine.losses.face.inputs import Direction, LossInputs

EYES, NOSE, MOUTH = slice(0, 4), slice(4, 6), slice(6, 8)
LEAST = 1e-3  # px; no face is so small that two eyes are closer


@FACE_LOSSES.register("geometry")
class Geometry(FaceLoss):
    """Keep the proportions of eyes, nose and mouth: a Huber loss on eight ratios of landmarks.

    The points come from a network that is differentiable and knows this kind of picture; any other
    is refused, since it would teach nothing or something wrong.
    """

    kind: Literal["geometry"] = "geometry"
    on: tuple[Direction, ...] = ("real",)
    delta: Real = Field(default=0.03, gt=0)
    """Where the loss turns from square to straight, in units of the ratios."""
    eyes: Real = Field(default=1.0, ge=0)
    nose: Real = Field(default=0.6, ge=0)
    mouth: Real = Field(default=0.4, ge=0)
    needs: ClassVar[frozenset[str]] = frozenset({"points"})

    def faults(self, parts: LossContext) -> list[str]:
        known = getattr(parts.points, "domain", None)
        if parts.points is None or known == parts.domain:
            return super().faults(parts)
        told = f"its `points` know {'no domain' if known is None else known}"
        return [f"the loss `{self.name}` cannot work on {parts.domain}: {told}"]

    def each(self, trial: LossInputs) -> Each:
        if found := self.faults(trial.parts):
            raise RecipeError("; ".join(found), hint="name points of that domain")
        made, photo = trial.points(), trial.read_points()
        found = photo.isfinite().all(dim=2).all(dim=1)
        # What is not finite would turn the gradient of every other sample into NaN.
        photo = torch.where(found[:, None, None], photo, made.detach())
        away = F.huber_loss(ratios(made), ratios(photo), reduction="none", delta=self.delta)
        weighed = (
            self.eyes * away[:, EYES].sum(dim=1)
            + self.nose * away[:, NOSE].sum(dim=1)
            + self.mouth * away[:, MOUTH].sum(dim=1)
        )
        return Each(weighed / away.shape[1], applies=found)


def ratios(points: Tensor) -> Tensor:
    """Eight proportions of (b, 68, 2): (b, 8), the same whatever the scale, place and roll.

    Width of left and right eye, openness of each in its own width, width and length of the nose,
    width of the mouth, opening of the lips in its width; otherwise in eye distances.
    """

    def apart(one: int, other: int) -> Tensor:
        return (points[:, one] - points[:, other]).norm(dim=1)

    eyes = points[:, RIGHT_EYE].mean(dim=1) - points[:, LEFT_EYE].mean(dim=1)
    unit = eyes.norm(dim=1).clamp(min=LEAST)
    left, right, mouth = (apart(*ends).clamp(min=LEAST) for ends in ((36, 39), (42, 45), (48, 54)))
    return torch.stack(
        [
            left / unit,
            right / unit,
            (apart(37, 41) + apart(38, 40)) / (2 * left),
            (apart(43, 47) + apart(44, 46)) / (2 * right),
            apart(31, 35) / unit,
            apart(27, 33) / unit,
            mouth / unit,
            apart(62, 66) / mouth,
        ],
        dim=1,
    )
