from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from engine.losses.face.base import FACE_LOSSES, Each
from engine.losses.face.framed import Framed
from engine.losses.face.inputs import LossInputs

BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""The blur of Burt and Adelson 1983, whose pyramid this is."""


@FACE_LOSSES.register("laplacian")
class Laplacian(Framed):
    """Keep the photo's edges where they are: mean absolute differences of Laplacian pyramids.

    The mean over levels of equal weight (Bojanowski et al. 2018, Lap1, weighs the coarse ones
    more). Squared pixels are ruled by light and colour; a face is known by the finest levels.
    """

    kind: Literal["laplacian"] = "laplacian"
    levels: int = Field(default=3, ge=1, le=6)
    """Halvings; what is coarser than the last is left to `pixel`."""

    def each(self, trial: LossInputs) -> Each:
        made, photo = self.pictures(trial)
        away = (made.float() - photo.float()) / 2
        found = [band.abs().mean(dim=(1, 2, 3)) for band in bands(away, self.levels)]
        return Each(torch.stack(found).mean(dim=0))


def bands(picture: Tensor, levels: int) -> list[Tensor]:
    """The levels of the Laplacian pyramid of (b, c, h, w), finest first, without the rest.

    Linear: the pyramid of a difference is the difference of the pyramids.
    """
    found: list[Tensor] = []
    for _ in range(levels):
        coarse = _blurred(picture)[:, :, ::2, ::2]
        wide = F.interpolate(coarse, size=picture.shape[2:], mode="bilinear", align_corners=True)
        found.append(picture - wide)
        picture = coarse
    return found


def _blurred(picture: Tensor) -> Tensor:
    channels = picture.shape[1]
    row = picture.new_tensor(BINOMIAL).expand(channels, 1, 1, -1)
    padded = F.pad(picture, (2, 2, 2, 2), mode="reflect")
    return F.conv2d(F.conv2d(padded, row, groups=channels), row.mT, groups=channels)
