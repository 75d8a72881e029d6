from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from engine.core.errors import RecipeError
from engine.core.numbers import Real
from engine.geometry.landmarks import LEFT_EYE, RIGHT_EYE
from engine.losses.face.base import FACE_LOSSES, FaceLoss, PerSample
from engine.losses.face.context import LossContext
from engine.losses.face.inputs import Direction, LossInputs

EYES, NOSE, MOUTH = slice(0, 4), slice(4, 6), slice(6, 8)
LEAST = 1e-3  # px; keeps the ratios finite


@FACE_LOSSES.register("geometry")
class Geometry(FaceLoss):
    """Keep the proportions of eyes, nose and mouth: a Huber loss on eight ratios of landmarks.

    The landmarks come from a differentiable network of the same domain; any other is refused, since
    its gradient would be zero or wrong.
    """

    kind: Literal["geometry"] = "geometry"
    on: tuple[Direction, ...] = ("real",)
    delta: Real = Field(default=0.03, gt=0)
    """Where the loss turns from quadratic to linear, in units of the ratios."""
    eyes: Real = Field(default=1.0, ge=0)
    nose: Real = Field(default=0.6, ge=0)
    mouth: Real = Field(default=0.4, ge=0)
    needs: ClassVar[frozenset[str]] = frozenset({"landmarks"})

    def faults(self, context: LossContext) -> list[str]:
        known = getattr(context.landmarks, "domain", None)
        if context.landmarks is None or known == context.domain:
            return super().faults(context)
        reason = f"its `landmarks` network knows {'no domain' if known is None else known}"
        return [f"the loss `{self.name}` cannot be computed on {context.domain}: {reason}"]

    def per_sample(self, inputs: LossInputs) -> PerSample:
        if faults := self.faults(inputs.context):
            raise RecipeError("; ".join(faults), hint="name a `landmarks` network of that domain")
        output, photo = inputs.points(), inputs.detected_source_points()
        mask = photo.isfinite().all(dim=2).all(dim=1)
        # A value that is not finite would turn the gradient of every sample into NaN.
        photo = torch.where(mask[:, None, None], photo, output.detach())
        loss = F.huber_loss(ratios(output), ratios(photo), reduction="none", delta=self.delta)
        weighted = (
            self.eyes * loss[:, EYES].sum(dim=1)
            + self.nose * loss[:, NOSE].sum(dim=1)
            + self.mouth * loss[:, MOUTH].sum(dim=1)
        )
        return PerSample(weighted / loss.shape[1], mask=mask)


def ratios(points: Tensor) -> Tensor:
    """Eight proportions of (b, 68, 2): (b, 8), invariant to scale, translation and roll.

    Width of left and right eye, openness of each in its own width, width and length of the nose,
    width of the mouth, opening of the lips in its width; otherwise in eye distances.
    """

    def distance(one: int, other: int) -> Tensor:
        return (points[:, one] - points[:, other]).norm(dim=1)

    eyes = points[:, RIGHT_EYE].mean(dim=1) - points[:, LEFT_EYE].mean(dim=1)
    unit = eyes.norm(dim=1).clamp(min=LEAST)
    left, right, mouth = (
        distance(*ends).clamp(min=LEAST) for ends in ((36, 39), (42, 45), (48, 54))
    )
    return torch.stack(
        [
            left / unit,
            right / unit,
            (distance(37, 41) + distance(38, 40)) / (2 * left),
            (distance(43, 47) + distance(44, 46)) / (2 * right),
            distance(31, 35) / unit,
            distance(27, 33) / unit,
            mouth / unit,
            distance(62, 66) / mouth,
        ],
        dim=1,
    )
