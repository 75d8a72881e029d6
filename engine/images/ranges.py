"""The only conversions between pictures in files and pictures in networks."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.core.errors import PictureError

LEVELS = 255


def to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 RGB (h, w, 3) to float32 (1, 3, h, w) in [-1, 1]."""
    planes = torch.from_numpy(np.require(pixels.transpose(2, 0, 1), requirements=("C", "W")))[None]
    return planes.to(torch.float32) * (2 / LEVELS) - 1


def to_tensors(pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 RGB (b, h, w, 3) to float32 (b, 3, h, w) in [-1, 1]."""
    # Planes are parted while they are bytes: a quarter of the memory is crossed.
    planes = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).contiguous()
    return planes.to(torch.float32).mul_(2 / LEVELS).sub_(1)


def to_pixels(picture: Tensor) -> NDArray[np.uint8]:
    """(1, 3, h, w) or (3, h, w), clipped to [-1, 1], to uint8 RGB (h, w, 3).

    PictureError for numbers that are not finite, which would be black.
    """
    planes = _finite(picture.detach().reshape(picture.shape[-3:]).float().cpu())
    levels = ((planes.clamp(-1, 1) + 1) * (LEVELS / 2)).round().to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().numpy()


def to_floats(values: NDArray[np.generic]) -> Tensor:
    """RGB (h, w, 3) of any depth to float32 (1, 3, h, w) in [-1, 1]; float32 is taken to be there.

    uint8 has 255 levels above black, uint16 has 65535.
    """
    planes = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1).astype(np.float32)))
    return planes[None] if values.dtype == np.float32 else planes[None] * (2 / white_of(values)) - 1


def from_floats(picture: Tensor, like: NDArray[np.generic]) -> NDArray[np.generic]:
    """(1, 3, h, w), clipped to [-1, 1], to RGB (h, w, 3) of the depth of `like`.

    PictureError for numbers that are not finite, which would be black.
    """
    planes = _finite(picture.detach().reshape(picture.shape[-3:]).float().cpu()).clamp(-1, 1)
    values = planes.permute(1, 2, 0).numpy()
    if like.dtype == np.float32:
        return np.ascontiguousarray(values)
    return np.rint((values + 1) * (white_of(like) / 2)).astype(like.dtype)


def _finite(picture: Tensor) -> Tensor:
    if not bool(torch.isfinite(picture).all()):
        raise PictureError("the network gave numbers that are not finite")
    return picture


def white_of(values: NDArray[np.generic]) -> int:
    """The level of white: 255 or 65535."""
    return (1 << 8 * values.dtype.itemsize) - 1
