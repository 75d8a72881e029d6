"""The 68 points of iBUG 300-W: their order, and the pose that follows from them.

Left and right are those of the viewer: the left eye has the smaller x.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

COUNT = 68
JAW = slice(0, 17)
LEFT_BROW = slice(17, 22)
RIGHT_BROW = slice(22, 27)
NOSE_BRIDGE = slice(27, 31)
NOSE_BASE = slice(31, 36)
NOSE = slice(27, 36)
LEFT_EYE = slice(36, 42)
RIGHT_EYE = slice(42, 48)
OUTER_MOUTH = slice(48, 60)
INNER_MOUTH = slice(60, 68)
MOUTH = slice(48, 68)
NOSE_TIP, LEFT_MOUTH_CORNER, RIGHT_MOUTH_CORNER = 30, 48, 54

# How far the nose tip stands before the plane of the eye contours, in eye distances: about
# 30 mm over 62 mm in an adult. It is the only constant of the yaw estimate.
NOSE_DEPTH = 0.5

Points = NDArray[np.floating]
Vector = NDArray[np.float64]

# `points[FLIP]` puts the points of a mirrored face back into the usual order.
FLIP = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
     45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
     *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65]
)  # fmt: skip


class Eyes(NamedTuple):
    """The two eye centres (x, y) in pixels: the means of six contour points each."""

    left: Vector
    right: Vector

    @property
    def centre(self) -> Vector:
        return (self.left + self.right) / 2

    @property
    def distance(self) -> float:
        return float(np.hypot(*(self.right - self.left)))


def eyes(points: Points) -> Eyes:
    """Average the eye contours of (68, 2) points."""
    points = np.asarray(points, dtype=np.float64)
    return Eyes(points[LEFT_EYE].mean(axis=0), points[RIGHT_EYE].mean(axis=0))


def mouth_centre(points: Points) -> Vector:
    """Return the middle of the outer mouth corners, FFHQ's own choice (x, y)."""
    corners = [points[LEFT_MOUTH_CORNER], points[RIGHT_MOUTH_CORNER]]
    return np.mean(np.asarray(corners, dtype=np.float64), axis=0)


def roll(points: Points) -> float:
    """In-plane rotation of the eye line in degrees, positive clockwise on the screen."""
    left, right = eyes(points)
    return float(np.degrees(np.arctan2(right[1] - left[1], right[0] - left[0])))


def yaw(points: Points) -> float:
    """Estimate the yaw of the head in degrees, positive when the nose points to the right.

    Under weak perspective the eye distance is D cos(yaw) and the nose tip leaves the line from
    eye centre to mouth centre by NOSE_DEPTH D sin(yaw), so yaw = atan(offset / distance / depth).
    """
    pair = eyes(points)
    if pair.distance == 0:
        return 90.0
    down = mouth_centre(points) - pair.centre
    across = np.array([down[1], -down[0]]) / max(float(np.hypot(*down)), 1e-9)
    offset = float((np.asarray(points[NOSE_TIP], dtype=np.float64) - pair.centre) @ across)
    return float(np.degrees(np.arctan2(offset / pair.distance, NOSE_DEPTH)))


def flip(points: Points, width: int) -> Points:
    """Mirror (68, 2) points with their picture of that width, left staying left."""
    mirrored = points[FLIP].copy()
    mirrored[:, 0] = width - 1 - mirrored[:, 0]
    return mirrored


def mean_error(points: Points, truth: Points) -> float:
    """Average the point distances in units of the true eye distance."""
    one, other = np.asarray(points, np.float64), np.asarray(truth, np.float64)
    errors = np.linalg.norm(one - other, axis=1)
    return float(errors.mean() / eyes(truth).distance)
