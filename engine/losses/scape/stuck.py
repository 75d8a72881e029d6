from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.losses.scape.base import SCAPE_LOSSES, ScapeLoss
from engine.losses.scape.trial import ScapeTrial

FEWEST = 4
LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


@SCAPE_LOSSES.register("stuck")
class Stuck(ScapeLoss):
    """The mean picture has no detail that the mean real one lacks: texture sticks to no place.

    Karras et al. 2021 (StyleGAN3, section 1) on texture sticking; a discriminator sees pictures one
    by one and forgives it. The two halves of a batch are multiplied, so that pictures that merely
    differ from each other cost nothing on average; 0 for fewer than four.
    """

    kind: Literal["stuck"] = "stuck"

    def painting(self, trial: ScapeTrial) -> Tensor:
        painted = trial.painted()
        if len(painted) < FEWEST:
            return painted.new_zeros(())
        one, other = (
            (_detail(painted[half::2]) - _detail(trial.real[half::2])) for half in (0, 1)
        )
        return (one * other).mean()


def _detail(pictures: Tensor) -> Tensor:
    """The Laplacian of the mean of pictures (b, 3, s, s): (3, s - 2, s - 2)."""
    mean = pictures.float().mean(dim=0)
    kernel = torch.tensor(LAPLACIAN, device=mean.device)[None, None]
    return F.conv2d(mean[:, None], kernel)[:, 0]
