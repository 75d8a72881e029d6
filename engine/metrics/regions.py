"""Masks of eyes, mouth, skin and hair in a portrait, from its 68 landmarks alone.

Coordinates are in the frame of the face: the eye centre is the origin, x runs along the eye line,
y down the face, and the eye distance is 1.
"""

import numpy as np
from numpy.typing import NDArray

from engine.geometry.landmarks import LEFT_EYE, MOUTH, RIGHT_EYE, Points, eyes, mouth_centre

Mask = NDArray[np.bool_]
INNER_BROWS = slice(20, 24)
EYE_MARGIN, MOUTH_MARGIN = (0.15, 0.2), (0.12, 0.12)
CHEEK_ACROSS, CHEEK_DOWN = (0.4, 0.75), (0.3, 0.72)
"""Across in eye distances on either side; down as shares of the distance to the mouth."""
FOREHEAD_ACROSS, FOREHEAD_UP = 0.45, (0.08, 0.45)
"""Up from the upper edge of the inner brows; the fringe starts above."""
HAIR_RADIUS, HAIR_ANGLE = (0.95, 1.3), 50.0
"""A sector above the forehead: eye distances from the eye centre, degrees to either side."""


def region_masks(points: Points, size: int) -> dict[str, Mask]:
    """Masks (size, size) of `eyes`, `mouth`, `skin` (cheeks and forehead) and `hair`.

    points: (68, 2) in pixels of the picture. `hair` is the region of the hair, which may be bald.
    """
    pair = eyes(points)
    along = (pair.right - pair.left) / max(pair.distance, 1e-6)
    rotation = np.stack([along, [-along[1], along[0]]], axis=1) / max(pair.distance, 1e-6)
    face = (np.asarray(points, np.float64) - pair.centre) @ rotation
    rows, columns = np.mgrid[:size, :size]
    grid = (np.stack([columns, rows], axis=-1) - pair.centre) @ rotation
    x, y = grid[..., 0], grid[..., 1]
    down = float((mouth_centre(points) - pair.centre) @ rotation[:, 1])
    brows = float(face[INNER_BROWS, 1].min())
    cheeks = _between(np.abs(x), *CHEEK_ACROSS) & _between(y / max(down, 1e-6), *CHEEK_DOWN)
    forehead = (np.abs(x) < FOREHEAD_ACROSS) & _between(brows - y, *FOREHEAD_UP)
    upward = np.abs(np.degrees(np.arctan2(x, -y))) < HAIR_ANGLE
    return {
        "eyes": _box(grid, face[LEFT_EYE], EYE_MARGIN) | _box(grid, face[RIGHT_EYE], EYE_MARGIN),
        "mouth": _box(grid, face[MOUTH], MOUTH_MARGIN),
        "skin": cheeks | forehead,
        "hair": upward & _between(np.hypot(x, y), *HAIR_RADIUS),
    }


def _between(values: NDArray[np.float64], low: float, high: float) -> Mask:
    return (values > low) & (values < high)


def _box(
    grid: NDArray[np.float64], points: NDArray[np.float64], margin: tuple[float, float]
) -> Mask:
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    return ((grid > low) & (grid < high)).all(axis=-1)
