from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from engine.core.numbers import Real
from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss
from engine.landscapes.losses.inputs import LandscapeLossInputs

SIDE = 16
EPSILON = 1e-8


@LANDSCAPE_LOSSES.register("diversity")
class Diversity(LandscapeLoss):
    """Pairwise distances of images match those of their conditions, both relative to the largest.

    As published by the authors of the units (Park and Lee, ACCV 2020): with random latents it also
    makes images of one condition alike.
    """

    kind: Literal["diversity"] = "diversity"

    def generator_loss(self, inputs: LandscapeLossInputs) -> Tensor:
        if len(inputs.target_va) < 2:
            return inputs.target_va.new_zeros(())
        flat = inputs.generated().float().flatten(1)
        return (_relative(flat) - _relative(inputs.target_va.float())).abs().mean()


@LANDSCAPE_LOSSES.register("va_diversity")
class VaDiversity(LandscapeLoss):
    """One latent at two conditions: a hinge on image distance >= `ratio` x condition distance."""

    kind: Literal["va_diversity"] = "va_diversity"
    ratio: Real = Field(default=0.3, gt=0)

    def generator_loss(self, inputs: LandscapeLossInputs) -> Tensor:
        distance = _image_distance(inputs.generated(), inputs.same_latent_other_va())
        least = self.ratio * (inputs.target_va - inputs.other_va).norm(dim=1)
        return F.relu(least - distance).mean()


@LANDSCAPE_LOSSES.register("latent_diversity")
class LatentDiversity(LandscapeLoss):
    """Two latents at one condition: a hinge on image distance >= `margin`, against mode collapse.

    After mode seeking (Mao et al. 2019), with a margin in place of its unbounded ratio.
    """

    kind: Literal["latent_diversity"] = "latent_diversity"
    margin: Real = Field(default=0.12, gt=0)

    def generator_loss(self, inputs: LandscapeLossInputs) -> Tensor:
        distance = _image_distance(inputs.generated(), inputs.other_latent_same_va())
        return F.relu(self.margin - distance).mean()


def _relative(rows: Tensor) -> Tensor:
    """Distances (b, b) of rows, divided by the largest."""
    squared = (rows[:, None] - rows[None]).square().sum(dim=2)
    # The root has no finite gradient at the zeros of the diagonal.
    apart = torch.where(squared > 0, squared.clamp_min(EPSILON).sqrt(), squared)
    return apart / (apart.max() + EPSILON)


def _image_distance(one: Tensor, other: Tensor) -> Tensor:
    """Mean absolute difference (b,) of images at 16 px: of layout and colour, not of texture."""
    small = [F.adaptive_avg_pool2d(picture.float(), SIDE) for picture in (one, other)]
    return (small[0] - small[1]).abs().mean(dim=(1, 2, 3))
