"""The frame in which a head is painted: a pixel grid in face units with soft pens.

Face units: 1 is an adult's distance between the eyes; origin between them, x right, y down, z to
the camera. Line widths and blurs are in 1/64 unit, which is about a pixel of a 256-pixel portrait.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

HALF_WIDTH = 1.56
TOP, BOTTOM = -2.16, 2.04
# The head is painted slightly smaller than it is shown, which saves a sixth of the time.
RESOLUTION = 0.85
SUBPIXEL_BITS = 4
STRENGTH_STEPS = 12


class Stroke(NamedTuple):
    """A line to draw: points (n, 2), strength 0..1, width in 1/64 unit."""

    points: np.ndarray
    strength: float
    width: float


class Stamp(NamedTuple):
    """Opacity (0..1) in a window of the canvas."""

    window: tuple[slice, slice]
    alpha: np.ndarray


class Canvas:
    """Pixel grid of the canonical head for portraits of one size."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.scale = size / 4 * RESOLUTION
        self.width = 2 * int(HALF_WIDTH * self.scale)
        self.height = int((BOTTOM - TOP) * self.scale)
        self.left = -self.width / self.scale / 2
        self.x = single((np.arange(self.width) + 0.5) / self.scale + self.left)
        self.y = single((np.arange(self.height) + 0.5) / self.scale + TOP)
        self.row = self.x[None]
        self.column = self.y[:, None]

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Face units (n, 2) to pixel indices of this canvas."""
        return (np.asarray(points, float) - (self.left, TOP)) * self.scale - 0.5

    def bumps(self, bumps: Sequence[tuple[float, float, float, float, float]]) -> np.ndarray:
        """Sum of separable Gaussians (height, centre x, centre y, spread x, spread y)."""
        height, x, y, spread_x, spread_y = np.array(bumps, np.float32).T[:, :, None]
        rows = height * np.exp(-0.5 * ((self.y - y) / spread_y) ** 2)
        columns = np.exp(-0.5 * ((self.x - x) / spread_x) ** 2)
        # OpenCV's product: BLAS threads cost this small one twenty times its own time.
        return cv2.gemm(rows, columns, 1.0, np.empty((0, 0), np.float32), 0.0, flags=cv2.GEMM_1_T)

    def blurred(self, image: np.ndarray, blur: float) -> np.ndarray:
        """Gaussian blur with a standard deviation in 1/64 unit."""
        sigma = blur * self.scale / 64
        return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.3 else image

    def fill(self, outlines: Sequence[np.ndarray], blur: float = 0.8) -> Stamp:
        """Filled outlines with a soft edge."""
        window, alpha, placed = self._window(outlines, blur)
        for outline in placed:
            cv2.fillPoly(alpha, [outline], 255, cv2.LINE_AA, SUBPIXEL_BITS)
        return Stamp(window, self.blurred(alpha, blur) * (1 / 255))

    def draw(self, strokes: Sequence[Stroke], blur: float = 0.8) -> Stamp | None:
        """Soft strokes, or nothing where none is strong enough to be seen."""
        visible = [stroke for stroke in strokes if stroke.strength > 0.02]
        if not visible:
            return None
        window, alpha, placed = self._window([stroke.points for stroke in visible], blur)
        # Equal pens are drawn in one call, faint ones first.
        pens: dict[tuple[int, int], list[np.ndarray]] = {}
        for line, stroke in zip(placed, visible, strict=True):
            level = int(min(stroke.strength, 1.0) * STRENGTH_STEPS + 0.5)
            thickness = max(1, round(stroke.width * self.scale / 64))
            pens.setdefault((level, thickness), []).append(line)
        for (level, thickness), lines in sorted(pens.items(), key=lambda pen: pen[0]):
            grey = level * 255 // STRENGTH_STEPS
            cv2.polylines(alpha, lines, False, grey, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
        return Stamp(window, self.blurred(alpha, blur) * (1 / 255))

    def whole(self, stamp: Stamp | None) -> np.ndarray:
        """The stamp's opacity on a full (height, width) grid."""
        grid = np.zeros((self.height, self.width), np.float32)
        if stamp is not None:
            grid[stamp.window] = stamp.alpha
        return grid

    def _window(
        self, lines: Sequence[np.ndarray], blur: float
    ) -> tuple[tuple[slice, slice], np.ndarray, list[np.ndarray]]:
        """Smallest window that holds the lines and their blur, and the lines placed in it."""
        points = self.pixels(np.concatenate(lines))
        margin = 2 + 3 * blur * self.scale / 64
        left, top = np.maximum(np.floor(points.min(0) - margin), 0).astype(int)
        limit = (self.width - 1, self.height - 1)
        right, bottom = np.minimum(np.ceil(points.max(0) + margin), limit).astype(int) + 1
        alpha = np.zeros((max(bottom - top, 1), max(right - left, 1)), np.uint8)
        window = slice(top, top + alpha.shape[0]), slice(left, left + alpha.shape[1])
        placed = np.round((points - (left, top)) * 2**SUBPIXEL_BITS).astype(np.int32)
        ends = np.cumsum([len(line) for line in lines])[:-1]
        return window, alpha, [line.reshape(-1, 1, 2) for line in np.split(placed, ends)]


def paint(image: np.ndarray, stamp: Stamp | None, colour: np.ndarray, opacity: float = 1.0) -> None:
    """Lay one colour over an image through a stamp, in place."""
    if stamp is None:
        return
    part = image[stamp.window]
    part += (stamp.alpha * opacity)[..., None] * (single(colour) - part)


def ramp(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def single(values: npt.ArrayLike) -> np.ndarray:
    """Values as a float32 array: one stray float64 array would slow down every later step."""
    return np.asarray(values, np.float32)


@cache
def canvas(size: int) -> Canvas:
    """The canvas for portraits of one size; made once."""
    return Canvas(size)
