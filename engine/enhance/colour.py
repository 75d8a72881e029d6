"""Chroma of a picture, and new colours over its own lightness."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.images.lab import from_lab, to_lab
from engine.images.ranges import from_floats, to_floats
from engine.images.raster import Raster

CHROMA_SIDE = 256
"""Long side of the copy on which chroma is measured."""
STRIP = 1 << 18
"""Pixels that are coloured at once."""
DEGREE = 3


def chroma(picture: Raster) -> float:
    """Mean chroma of CIELAB: 0 for grey, 5 to 25 for photographs."""
    return float(_small_lab(picture)[1:].norm(dim=0).mean())


def own_colour(picture: Raster) -> float:
    """Mean chroma that lightness does not explain: a toned print has chroma and no colours.

    In sepia, cyanotype and yellowed prints a and b are functions of L; the residual of a cubic in
    L is the colour of the scene.
    """
    light, *planes = _small_lab(picture).flatten(1)
    powers = torch.stack([(light / 50 - 1) ** n for n in range(DEGREE + 1)], dim=1).double()
    values = torch.stack(planes, dim=1).double()
    coefficients = torch.linalg.lstsq(powers, values, driver="gelsd").solution
    return float((values - powers @ coefficients).norm(dim=1).mean())


def gray_square(picture: Raster, side: int) -> Tensor:
    """The picture squashed to (1, 3, side, side) in [-1, 1] and stripped of its colours."""
    small = cv2.resize(picture.pixels, (side, side), interpolation=cv2.INTER_AREA)
    lab = to_lab(to_floats(np.asarray(small)))
    return from_lab(torch.cat([lab[:, :1], torch.zeros_like(lab[:, 1:])], dim=1))


def lay_colours(picture: Raster, ab: Tensor, gain: float) -> Raster:
    """The picture with its own L, and `ab` (1, 2, h, w) times `gain` in place of its colours."""
    pixels = np.empty_like(picture.pixels)
    rows = max(STRIP // picture.width, 1)
    for top in range(0, picture.height, rows):
        bottom = min(top + rows, picture.height)
        strip = to_floats(picture.pixels[top:bottom])
        colours = ab_rows(ab, top, bottom, picture.height, picture.width) * gain
        made = from_lab(torch.cat([to_lab(strip)[:, :1], colours], dim=1))
        pixels[top:bottom] = from_floats(made, pixels)
    return Raster(pixels, picture.alpha)


def ab_rows(ab: Tensor, top: int, bottom: int, height: int, width: int) -> Tensor:
    """Rows `top` to `bottom` of `ab` brought to height x width bilinearly: (1, 2, rows, width).

    The same as of `F.interpolate` on the whole, without ever holding the whole.
    """
    down = (torch.arange(top, bottom, dtype=torch.float32) + 0.5) / height * 2 - 1
    across = (torch.arange(width, dtype=torch.float32) + 0.5) / width * 2 - 1
    grid = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1)[None]
    return F.grid_sample(ab, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _small_lab(picture: Raster) -> Tensor:
    """(3, h, w) of a small copy."""
    return to_lab(to_floats(np.ascontiguousarray(picture.shrunk(CHROMA_SIDE))))[0]
