"""Pictures as they are kept: in their own depth, with their transparency, upright."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.core.errors import PictureError
from engine.images.reading import ORIENTATION, exif_tags, opened, require_size, upright
from engine.images.srgb import srgb_and_alpha

DEEP = ";16"
"""What Pillow's raw modes of 16-bit channels have in common; it would halve their depth."""
MARGIN = 8
"""Rows beyond a strip that bicubic enlargement reads."""

Levels = NDArray[Any]
"""uint8 or uint16."""


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """sRGB (h, w, 3) uint8 or uint16, and the opacity (h, w) of the same depth where it has one."""

    pixels: Levels
    alpha: Levels | None = None

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    @property
    def bits(self) -> int:
        return 8 * self.pixels.dtype.itemsize

    def bytes_of(self, top: int, bottom: int, left: int, right: int) -> NDArray[np.uint8]:
        """A part in 8 bits, which is all that detectors and identity networks take."""
        part = self.pixels[top:bottom, left:right]
        return part if part.dtype == np.uint8 else (part >> 8).astype(np.uint8)

    def shrunk(self, side: int) -> NDArray[np.uint8]:
        """A copy in 8 bits whose long side is at most `side`, areas averaged."""
        scale = side / max(self.height, self.width)
        if scale >= 1:
            return self.bytes_of(0, self.height, 0, self.width)
        size = max(round(self.width * scale), 1), max(round(self.height * scale), 1)
        small = np.asarray(cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA))
        return Raster(small).bytes_of(0, small.shape[0], 0, small.shape[1])


@dataclass(frozen=True, slots=True)
class Origin:
    """Mode and EXIF orientation of a file as stored, and its size in bytes."""

    mode: str
    orientation: int
    size: int


def read_raster(path: Path, *, max_megapixels: float) -> tuple[Raster, Origin]:
    """Decode the first frame at its own depth, upright, CMYK and profiles brought to sRGB.

    Raises PictureError with the reason. 16-bit colours are taken as sRGB whatever their profile.
    """
    with opened(path) as image:
        require_size(image, max_megapixels)
        # Before the tags: looking for them may decode a PNG, and then its depth is forgotten.
        deep, mode = _is_deep(image), image.mode
        exif = exif_tags(image).get(ORIENTATION, 1)
        orientation = exif if isinstance(exif, int) else 1
        if deep:
            pixels, alpha = _deep(path)
        else:
            image.load()
            pixels, alpha = srgb_and_alpha(image)
    pixels = upright(pixels, orientation)
    if not pixels.flags.writeable:  # Pillow lends its own memory, and steps work in place
        pixels = pixels.copy()
    alpha = None if alpha is None else upright(alpha, orientation)
    kind = f"{mode};16" if deep and DEEP not in mode else mode
    return Raster(pixels, alpha), Origin(kind, orientation, path.stat().st_size)


def resized(raster: Raster, side: int) -> Raster:
    """The raster with its long side brought down to `side`, areas averaged; never up."""
    scale = side / max(raster.height, raster.width)
    if scale >= 1:
        return raster
    size = max(round(raster.width * scale), 1), max(round(raster.height * scale), 1)
    planes = (raster.pixels, raster.alpha)
    small = [
        None if p is None else cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in planes
    ]
    assert small[0] is not None
    return Raster(small[0], small[1])


def enlarged_plane(plane: Levels, scale: int) -> Levels:
    """A plane or picture with sides `scale` times as long, bicubic."""
    if scale == 1:
        return plane.copy()
    size = (plane.shape[1] * scale, plane.shape[0] * scale)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC), plane.dtype)


def enlarged_rows(pixels: Levels, top: int, bottom: int, scale: int) -> Levels:
    """Rows `top` to `bottom` (of the result) of what `enlarged_plane` gives, and nothing else."""
    if scale == 1:
        return pixels[top:bottom]
    first = max(top // scale - MARGIN, 0)
    last = min(-(-bottom // scale) + MARGIN, pixels.shape[0])
    strip = enlarged_plane(pixels[first:last], scale)
    return strip[top - first * scale : bottom - first * scale]


def _is_deep(image: Image.Image) -> bool:
    if image.mode.startswith("I;16"):
        return True
    raw = [str(part) for tile in getattr(image, "tile", ()) for part in _args(tile)]
    return any(DEEP in part for part in raw)


def _args(tile: Any) -> tuple[Any, ...]:
    args = tile[3]
    return args if isinstance(args, tuple) else (args,)


def _deep(path: Path) -> tuple[Levels, Levels | None]:
    """16-bit channels, which Pillow gives in 8 bits where there are several of them."""
    # Not imread, which accepts no names outside the system's code page.
    decoded = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype != np.uint16:
        raise PictureError("has 16-bit channels in a form that cannot be read")
    if decoded.ndim == 2 or decoded.shape[2] == 1:
        gray = decoded.reshape(decoded.shape[:2])
        return np.repeat(gray[..., None], 3, axis=2), None
    if decoded.shape[2] == 2:
        return np.repeat(decoded[..., :1], 3, axis=2), np.ascontiguousarray(decoded[..., 1])
    alpha = np.ascontiguousarray(decoded[..., 3]) if decoded.shape[2] == 4 else None
    return np.ascontiguousarray(decoded[..., 2::-1]), alpha
