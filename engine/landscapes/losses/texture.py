from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss
from engine.landscapes.losses.inputs import LandscapeLossInputs

FEWEST = 4
LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))
FAINT = 1e-4


@LANDSCAPE_LOSSES.register("stuck")
class Stuck(LandscapeLoss):
    """The mean picture has no detail that the mean real one lacks: texture sticks to no place.

    Karras et al. 2021 (StyleGAN3, section 1) on texture sticking; a discriminator sees pictures one
    by one and forgives it.
    """

    kind: Literal["stuck"] = "stuck"

    def painting(self, trial: LandscapeLossInputs) -> Tensor:
        return _apart(trial, _mean_detail)


@LANDSCAPE_LOSSES.register("bands")
class Bands(LandscapeLoss):
    """Whole rows and columns bend as much as in real pictures, place by place, in nepers squared.

    Enlargements repeat texture along both axes: it does not average out over a row, as it should.
    """

    kind: Literal["bands"] = "bands"

    def painting(self, trial: LandscapeLossInputs) -> Tensor:
        return _apart(trial, _log_bends)


def _apart(trial: LandscapeLossInputs, told: Callable[[Tensor], Tensor]) -> Tensor:
    """Squared difference of a statistic of painted and real pictures; 0 for fewer than four.

    The differences of two halves of the batch are multiplied: what pictures differ in by chance
    costs nothing on average.
    """
    painted, real = trial.painted().float(), trial.real.float()
    if len(painted) < FEWEST:
        return painted.new_zeros(())
    one, other = (told(painted[half::2]) - told(real[half::2]) for half in (0, 1))
    return (one * other).mean()


def _mean_detail(pictures: Tensor) -> Tensor:
    """The Laplacian of the mean of pictures (b, 3, s, s): (3, s - 2, s - 2)."""
    kernel = torch.tensor(LAPLACIAN, device=pictures.device)[None, None]
    return F.conv2d(pictures.mean(dim=0)[:, None], kernel)[:, 0]


def _log_bends(pictures: Tensor) -> Tensor:
    """Log of the mean second difference (2, s - 2) of rows and columns of pictures (b, 3, s, s)."""
    lines = torch.stack([pictures.mean(dim=3), pictures.mean(dim=2)])
    return (lines.diff(n=2, dim=3).abs().mean(dim=(1, 2)) + FAINT).log()
