"""Parts of a portrait: the face that identity_nets look at, and crops around features."""

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
USUAL: dict[Region, tuple[float, float, float, float]] = {
    "eyes": (0.26, 0.30, 0.74, 0.53),
    "mouth": (0.35, 0.60, 0.65, 0.86),
    "nose": (0.40, 0.40, 0.60, 0.68),
    "brows": (0.24, 0.22, 0.76, 0.53),
}
"""Where they are in an aligned portrait whose points nobody knows, in shares of its side."""
LEAST = 2.0  # px that a crop spans at least


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
    shake: Tensor | None = None,
) -> Tensor:
    """Boxes (b, r, 4) around features: left, top, right, bottom in px from the picture's corner.

    points: (b, 68, 2), pixel centres on whole numbers; a face with NaN gets the usual places.
    A box is a square, 1 + pad times the longer extent of its points, cut at the picture's edges.
    shake: (b, r, 3), what to move it right and down and to grow it by, in shares of its side.
    """
    boxes = torch.stack([_square(points, region, size, pad) for region in regions], dim=1)
    centre, extent = boxes[..., :2], boxes[..., 2:]
    if shake is not None:
        centre = centre + shake[..., :2] * extent.amax(dim=-1, keepdim=True)
        extent = extent * (1 + shake[..., 2:])
    low = (centre - extent / 2).clamp(0, size - LEAST)
    high = (centre + extent / 2).clamp(max=size)
    return torch.cat([low, torch.maximum(high, low + LEAST)], dim=-1)


def crops(pictures: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Boxes (b, r, 4) of pictures (b, 3, s, s), each drawn to size x size: (b * r, 3, size, size).

    Bilinear where a box grows, the mean over the area of every new pixel where it shrinks;
    differentiable in the pictures.
    """
    batch, count = boxes.shape[:2]
    side = pictures.shape[-1]
    fine = math.ceil(side / size)  # enough for the largest box there can be
    column, row = (_places(boxes[..., axis], boxes[..., axis + 2], size, fine) for axis in (0, 1))
    grid = torch.stack(
        [
            column[:, :, None, :].expand(-1, -1, size * fine, -1),
            row[:, :, :, None].expand(-1, -1, -1, size * fine),
        ],
        dim=-1,
    )
    drawn = F.grid_sample(
        pictures.float(),
        grid.flatten(1, 2) * 2 / side - 1,
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    small = F.avg_pool2d(drawn, fine) if fine > 1 else drawn
    return small.view(batch, 3, count, size, size).transpose(1, 2).flatten(0, 1)


def _square(points: Tensor, region: Region, size: int, pad: float) -> Tensor:
    """Centre x, y and extents (b, 4) in px from the picture's corner."""
    told = torch.cat([points[:, part] for part in POINTS[region]], dim=1) + 0.5
    low, high = told.amin(dim=1), told.amax(dim=1)
    side = (high - low).amax(dim=1, keepdim=True) * (1 + pad)
    found = torch.cat([(low + high) / 2, side, side], dim=1)
    left, top, right, bottom = (edge * size for edge in USUAL[region])
    usual = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    known = found.isfinite().all(dim=1)
    columns = zip(found.unbind(dim=1), usual, strict=True)
    return torch.stack([torch.where(known, told, place) for told, place in columns], dim=1)


def _places(low: Tensor, high: Tensor, size: int, fine: int) -> Tensor:
    """Where to look along one axis: (b, r, size * fine), in px from the picture's corner.

    `fine` places a new pixel: spread over it where it is larger than an old one, else all in its
    middle, so that nothing is smoothed that does not shrink.
    """
    step = ((high - low) / size)[..., None, None]
    middle = torch.arange(size, device=low.device)[:, None] + 0.5
    within = (torch.arange(fine, device=low.device) + 0.5) / fine - 0.5
    spread = torch.where(step > 1, within, 0.0)
    return (low[..., None, None] + step * (middle + spread)).flatten(-2)
