from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from engine.losses.face.base import FACE_LOSSES, PerSample
from engine.losses.face.image import ImageLoss
from engine.losses.face.inputs import LossInputs

BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""The blur kernel of Burt and Adelson 1983, whose pyramid this is."""


@FACE_LOSSES.register("laplacian")
class Laplacian(ImageLoss):
    """Keep the photo's edges in place: mean absolute differences of Laplacian pyramids.

    The mean over levels of equal weight (Bojanowski et al. 2018, Lap1, weighs the coarse ones
    more). Shading and colour dominate a squared pixel error; the fine levels show the face.
    """

    kind: Literal["laplacian"] = "laplacian"
    levels: int = Field(default=3, ge=1, le=6)
    """Halvings; lower frequencies are left to `pixel`."""

    def per_sample(self, inputs: LossInputs) -> PerSample:
        output, photo = self.pictures(inputs)
        difference = (output.float() - photo.float()) / 2
        levels = [level.abs().mean(dim=(1, 2, 3)) for level in pyramid(difference, self.levels)]
        return PerSample(torch.stack(levels).mean(dim=0))


def pyramid(picture: Tensor, levels: int) -> list[Tensor]:
    """The Laplacian pyramid of (b, c, h, w), finest level first, without the low-pass residual.

    Linear: the pyramid of a difference is the difference of the pyramids.
    """
    result: list[Tensor] = []
    for _ in range(levels):
        coarse = _blurred(picture)[:, :, ::2, ::2]
        wide = F.interpolate(coarse, size=picture.shape[2:], mode="bilinear", align_corners=True)
        result.append(picture - wide)
        picture = coarse
    return result


def _blurred(picture: Tensor) -> Tensor:
    channels = picture.shape[1]
    row = picture.new_tensor(BINOMIAL).expand(channels, 1, 1, -1)
    padded = F.pad(picture, (2, 2, 2, 2), mode="reflect")
    return F.conv2d(F.conv2d(padded, row, groups=channels), row.mT, groups=channels)
