"""Crops of a portrait: the face that identity networks take as input, and its features."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.geometry.landmarks import LEFT_BROW, LEFT_EYE, MOUTH, NOSE, RIGHT_BROW, RIGHT_EYE
from engine.nets.identity.ir_se50 import ALIGNED, CROP

Region = Literal["eyes", "mouth", "nose", "brows"]

EYES = slice(LEFT_EYE.start, RIGHT_EYE.stop)
BROWS = slice(LEFT_BROW.start, RIGHT_BROW.stop)
POINTS: dict[Region, tuple[slice, ...]] = {
    "eyes": (EYES,),
    "mouth": (MOUTH,),
    "nose": (NOSE,),
    "brows": (BROWS, EYES),
}
DEFAULT_BOXES: dict[Region, tuple[float, float, float, float]] = {
    "eyes": (0.26, 0.30, 0.74, 0.53),
    "mouth": (0.35, 0.60, 0.65, 0.86),
    "nose": (0.40, 0.40, 0.60, 0.68),
    "brows": (0.24, 0.22, 0.76, 0.53),
}
"""Boxes in an aligned portrait without landmarks, as shares of its side."""
LEAST = 2.0  # smallest side of a crop in px


def face_crop(portrait: Tensor) -> Tensor:
    """ArcFace's crop of FFHQ-aligned portraits (b, 3, s, s): rows 35:223, columns 32:220 of 256."""
    scale = portrait.shape[-1] / ALIGNED
    rows, columns = (
        slice(math.floor(edge.start * scale + 0.5), math.floor(edge.stop * scale + 0.5))
        for edge in CROP
    )
    return portrait[:, :, rows, columns]


def region_boxes(
    points: Tensor,
    regions: Sequence[Region],
    size: int,
    *,
    pad: float,
    jitter: Tensor | None = None,
) -> Tensor:
    """Boxes (b, r, 4) around features: left, top, right, bottom in px from the picture's corner.

    points: (b, 68, 2), pixel centres on whole numbers; a face with NaN gets the default boxes.
    A box is a square, 1 + pad times the longer extent of its points, clipped to the picture.
    jitter: (b, r, 3), shift right, shift down and relative growth, as shares of its side.
    """
    boxes = torch.stack([_square(points, region, size, pad) for region in regions], dim=1)
    centre, extent = boxes[..., :2], boxes[..., 2:]
    if jitter is not None:
        centre = centre + jitter[..., :2] * extent.amax(dim=-1, keepdim=True)
        extent = extent * (1 + jitter[..., 2:])
    low = (centre - extent / 2).clamp(0, size - LEAST)
    high = (centre + extent / 2).clamp(max=size)
    return torch.cat([low, torch.maximum(high, low + LEAST)], dim=-1)


def crops(pictures: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Boxes (b, r, 4) of pictures (b, 3, s, s), resampled to size x size: (b * r, 3, size, size).

    Bilinear where a box is enlarged, the mean over the area of every new pixel where it shrinks;
    differentiable in the pictures.
    """
    batch, count = boxes.shape[:2]
    side = pictures.shape[-1]
    fine = math.ceil(side / size)  # enough for the largest box there can be
    column, row = (
        _positions(boxes[..., axis], boxes[..., axis + 2], size, fine) for axis in (0, 1)
    )
    grid = torch.stack(
        [
            column[:, :, None, :].expand(-1, -1, size * fine, -1),
            row[:, :, :, None].expand(-1, -1, -1, size * fine),
        ],
        dim=-1,
    )
    samples = F.grid_sample(
        pictures.float(),
        grid.flatten(1, 2) * 2 / side - 1,
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    small = F.avg_pool2d(samples, fine) if fine > 1 else samples
    return small.view(batch, 3, count, size, size).transpose(1, 2).flatten(0, 1)


def _square(points: Tensor, region: Region, size: int, pad: float) -> Tensor:
    """Centre x, y and extents (b, 4) in px from the picture's corner."""
    landmarks = torch.cat([points[:, part] for part in POINTS[region]], dim=1) + 0.5
    low, high = landmarks.amin(dim=1), landmarks.amax(dim=1)
    side = (high - low).amax(dim=1, keepdim=True) * (1 + pad)
    square = torch.cat([(low + high) / 2, side, side], dim=1)
    left, top, right, bottom = (edge * size for edge in DEFAULT_BOXES[region])
    default = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    finite = square.isfinite().all(dim=1)
    columns = zip(square.unbind(dim=1), default, strict=True)
    return torch.stack([torch.where(finite, own, other) for own, other in columns], dim=1)


def _positions(low: Tensor, high: Tensor, size: int, fine: int) -> Tensor:
    """Sample positions along one axis: (b, r, size * fine), in px from the picture's corner.

    `fine` samples per new pixel: spread over it where it is larger than an old one, else all at its
    centre, so that only crops that shrink are smoothed.
    """
    step = ((high - low) / size)[..., None, None]
    middle = torch.arange(size, device=low.device)[:, None] + 0.5
    within = (torch.arange(fine, device=low.device) + 0.5) / fine - 0.5
    spread = torch.where(step > 1, within, 0.0)
    return (low[..., None, None] + step * (middle + spread)).flatten(-2)
