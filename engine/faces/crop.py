"""Crop a quad out of a picture at a given size, without aliasing and without edges.

The procedure of FFHQ (Karras et al. 2019, `recreate_aligned_images`) with its steps in another
order: shrink by Gaussian halves, pad by reflection and blur, warp on a finer grid, average down.
FFHQ itself warps to 4096 and averages to 1024; the scripts of SAM warp straight to 256 and alias.
"""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.core.errors import PictureError
from engine.geometry.ffhq import Quad

# Published shares of the quad's side: border kept around it, least padding, blur radius.
BORDER, PADDING, BLUR = 0.1, 0.3, 0.02
# More finely than this the warp never samples: halving comes first, sooner for large outputs,
# whose fine grid would take gigabytes.
FINEST, FINEST_OF_LARGE, LARGE = 4, 2, 2048
SHARE_GRID = 128
TILE = 256

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


def crop_face(pixels: Pixels, quad: Quad, size: int) -> Pixels:
    """Warp the quad of (h, w, 3) uint8 RGB to (size, size, 3), filling what lies outside.

    Every output pixel averages the whole area it covers, whatever the ratio of the sizes.
    """
    patch, quad = _surroundings(pixels, quad)
    finest = FINEST if size <= LARGE else FINEST_OF_LARGE
    while quad.side / size >= finest:
        patch, quad = _halved(patch), Quad(quad.corners / 2)
    patch, quad = _padded(patch, quad)
    ratio = quad.side / size
    finer = min(max(math.ceil(ratio), 1), finest)
    # Below two source pixels a pixel, bilinear sampling would visibly soften.
    how = cv2.INTER_LINEAR if ratio > 2 else cv2.INTER_CUBIC
    fine = _warped(patch, quad, size * finer, how)
    if finer == 1:
        return fine
    return np.array(Image.fromarray(fine).resize((size, size), Image.Resampling.LANCZOS))


def padding_share(quad: Quad, width: int, height: int) -> float:
    """Return the share of the quad's area that lies outside a picture of that size, to 1%."""
    ticks = (np.arange(SHARE_GRID) + 0.5) / SHARE_GRID
    unit = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    edge = quad.source_points(unit) + 0.5
    inside = ((edge >= 0) & (edge <= [width, height])).all(axis=1)
    return float(1 - inside.mean())


def _border(quad: Quad) -> int:
    return max(round(quad.side * BORDER), 3)


def _reach(quad: Quad) -> tuple[int, int, int, int]:
    """The whole-pixel box (l, t, r, b) of the quad and its border."""
    border = _border(quad)
    (left, top), (right, bottom) = quad.corners.min(axis=0), quad.corners.max(axis=0)
    return (
        math.floor(left) - border,
        math.floor(top) - border,
        math.ceil(right) + border,
        math.ceil(bottom) + border,
    )


def _surroundings(pixels: Pixels, quad: Quad) -> tuple[Pixels, Quad]:
    """Crop the quad with its border, so that no step processes the whole of a huge picture."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = _reach(quad)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if left >= right or top >= bottom:
        raise PictureError("the square around the face lies outside the picture")
    return pixels[top:bottom, left:right], quad.moved(-left, -top)


def _halved(pixels: Pixels) -> Pixels:
    """Halve by a 5-tap Gaussian: pixel (x, y) of the result is centred on (2x, 2y)."""
    return _bytes(cv2.pyrDown(pixels, borderType=cv2.BORDER_REFLECT_101))


def _padded(pixels: Pixels, quad: Quad) -> tuple[Pixels, Quad]:
    """Reflect where the quad leaves the picture, blur that and fade it to the median."""
    height, width = pixels.shape[:2]
    border = _border(quad)
    left, top, right, bottom = _reach(quad)
    pads = np.maximum([-left, -top, right - width, bottom - height], 0)
    if pads.max() <= border - 4:
        return pixels, quad
    pads = np.maximum(pads, max(round(quad.side * PADDING), 1))
    left, top, right, bottom = pads.tolist()
    edge = cv2.BORDER_REFLECT_101
    wide = _bytes(cv2.copyMakeBorder(pixels, top, bottom, left, right, edge))
    blurred, median = _blurred(wide, quad.side * BLUR), _median(pixels)
    across, down = _ramp(wide.shape[1], left, right), _ramp(wide.shape[0], top, bottom)
    # Tile by tile: most of a large patch is inside and stays as it is, in bytes.
    for y in range(0, wide.shape[0], TILE):
        for x in range(0, wide.shape[1], TILE):
            here = (slice(y, y + TILE), slice(x, x + TILE))
            mask = np.maximum(down[here[0], None], across[None, here[1]])[..., None]
            if mask.max() > -1 / 3:
                tile = wide[here].astype(np.float32)
                tile += (blurred[here] - tile) * np.clip(mask * 3 + 1, 0, 1)
                tile += (median - tile) * np.clip(mask, 0, 1)
                wide[here] = np.rint(np.clip(tile, 0, 255)).astype(np.uint8)
    return wide, quad.moved(left, top)


def _ramp(length: int, before: int, after: int) -> Floats:
    """Published ramp (length,): 1 on both ends, 0 where the picture begins, less inside."""
    at = np.arange(length, dtype=np.float32)
    return 1 - np.minimum(at / before, at[::-1] / after)


def _blurred(image: Pixels, sigma: float) -> Pixels:
    """Blur on a coarser grid where sigma allows it: the same picture for a fraction of the time."""
    step = max(int(sigma / 2), 1)
    height, width = image.shape[:2]
    coarse_size = math.ceil(width / step), math.ceil(height / step)
    coarse = image if step == 1 else cv2.resize(image, coarse_size, interpolation=cv2.INTER_AREA)
    coarse = cv2.GaussianBlur(coarse, (0, 0), sigma / step, borderType=cv2.BORDER_REFLECT)
    return _bytes(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))


def _bytes(image: NDArray[Any]) -> Pixels:
    return image.astype(np.uint8, copy=False)


def _median(pixels: Pixels) -> Floats:
    """Median colour (3,), taken from every fourth pixel of large patches."""
    step = 4 if min(pixels.shape[:2]) >= 256 else 1
    return np.median(pixels[::step, ::step], axis=(0, 1)).astype(np.float32)


def _warped(pixels: Pixels, quad: Quad, size: int, how: int) -> Pixels:
    """Sample size x size points at the centres of the quad's cells."""
    x, y = quad.across / size, quad.down / size
    start = quad.corners[0] + (x + y) / 2
    matrix = np.column_stack([x, y, start])
    flags = how | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(
        pixels, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT_101
    )
    return _bytes(warped)
