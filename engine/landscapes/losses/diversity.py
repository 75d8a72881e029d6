from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from engine.core.numbers import Real
from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss
from engine.landscapes.losses.inputs import LandscapeLossInputs

SEEN = 16
FAINT = 1e-8


@LANDSCAPE_LOSSES.register("diversity")
class Diversity(LandscapeLoss):
    """Distances of pictures match those of their places, all pairs of the batch, both by their max.

    As its authors wrote it: with codes at random it also asks pictures of one place to be alike.
    """

    kind: Literal["diversity"] = "diversity"

    def painting(self, trial: LandscapeLossInputs) -> Tensor:
        if len(trial.asked) < 2:
            return trial.asked.new_zeros(())
        flat = trial.painted().float().flatten(1)
        return (_relative(flat) - _relative(trial.asked.float())).abs().mean()


@LANDSCAPE_LOSSES.register("diversity_pair")
class DiversityPair(LandscapeLoss):
    """The same code at two places must look `reach` times as different as the places lie apart."""

    kind: Literal["diversity_pair"] = "diversity_pair"
    reach: Real = Field(default=0.3, gt=0)

    def painting(self, trial: LandscapeLossInputs) -> Tensor:
        apart = _seen_apart(trial.painted(), trial.twins())
        wanted = self.reach * (trial.asked - trial.elsewhere).norm(dim=1)
        return F.relu(wanted - apart).mean()


@LANDSCAPE_LOSSES.register("code_diversity")
class CodeDiversity(LandscapeLoss):
    """Two codes at one place must look at least `least` different: a floor under collapse.

    After mode seeking (Mao et al. 2019), as a floor and not as a ratio without end.
    """

    kind: Literal["code_diversity"] = "code_diversity"
    least: Real = Field(default=0.12, gt=0)

    def painting(self, trial: LandscapeLossInputs) -> Tensor:
        return F.relu(self.least - _seen_apart(trial.painted(), trial.mates())).mean()


def _relative(rows: Tensor) -> Tensor:
    """Distances (b, b) of rows, divided by the largest."""
    squared = (rows[:, None] - rows[None]).square().sum(dim=2)
    # The root of the diagonal's zeros has no slope.
    apart = torch.where(squared > 0, squared.clamp_min(FAINT).sqrt(), squared)
    return apart / (apart.max() + FAINT)


def _seen_apart(one: Tensor, other: Tensor) -> Tensor:
    """Mean absolute difference (b,) of pictures at 16 px: as a whole, not in their texture."""
    small = [F.adaptive_avg_pool2d(picture.float(), SEEN) for picture in (one, other)]
    return (small[0] - small[1]).abs().mean(dim=(1, 2, 3))
