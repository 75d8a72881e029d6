from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss
from engine.landscapes.losses.inputs import LandscapeLossInputs

FEWEST = 4
LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))
EPSILON = 1e-4


@LANDSCAPE_LOSSES.register("texture_sticking")
class TextureSticking(LandscapeLoss):
    """The mean generated image has no detail that the mean real one lacks.

    Texture sticking (Karras et al. 2021, StyleGAN3, section 1): detail at fixed pixel positions. A
    discriminator sees images one by one and cannot penalise it.
    """

    kind: Literal["texture_sticking"] = "texture_sticking"

    def generator_loss(self, inputs: LandscapeLossInputs) -> Tensor:
        return _squared_difference(inputs, _mean_detail)


@LANDSCAPE_LOSSES.register("banding")
class Banding(LandscapeLoss):
    """Second differences of row and column means match those of real images, in nepers squared.

    Upsampling repeats texture along both axes, so that it does not average out over a row.
    """

    kind: Literal["banding"] = "banding"

    def generator_loss(self, inputs: LandscapeLossInputs) -> Tensor:
        return _squared_difference(inputs, _log_second_differences)


def _squared_difference(
    inputs: LandscapeLossInputs, statistic: Callable[[Tensor], Tensor]
) -> Tensor:
    """Squared difference of a statistic of generated and real images; 0 for fewer than four.

    It is the product of the differences of two halves of the batch, which is unbiased: sampling
    noise adds 0 on average.
    """
    generated, real = inputs.generated().float(), inputs.real.float()
    if len(generated) < FEWEST:
        return generated.new_zeros(())
    one, other = (statistic(generated[half::2]) - statistic(real[half::2]) for half in (0, 1))
    return (one * other).mean()


def _mean_detail(pictures: Tensor) -> Tensor:
    """The Laplacian of the mean of pictures (b, 3, s, s): (3, s - 2, s - 2)."""
    kernel = torch.tensor(LAPLACIAN, device=pictures.device)[None, None]
    return F.conv2d(pictures.mean(dim=0)[:, None], kernel)[:, 0]


def _log_second_differences(pictures: Tensor) -> Tensor:
    """Log of the mean second difference (2, s - 2) of rows and columns of pictures (b, 3, s, s)."""
    lines = torch.stack([pictures.mean(dim=3), pictures.mean(dim=2)])
    return (lines.diff(n=2, dim=3).abs().mean(dim=(1, 2)) + EPSILON).log()
