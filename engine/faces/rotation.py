"""Quarter turns of a picture, and their inverse for points and boxes of the rotated copy."""

import numpy as np
from numpy.typing import NDArray

from engine.faces.boxes import Box

Pixels = NDArray[np.uint8]


def rotated(pixels: Pixels, rotation: int) -> Pixels:
    """Rotate a picture clockwise by 0, 90, 180 or 270 degrees."""
    return np.ascontiguousarray(np.rot90(pixels, -rotation // 90))


def unrotated_points(
    points: NDArray[np.float64], rotation: int, width: int, height: int
) -> NDArray[np.float64]:
    """Map (n, 2) pixel centres of the rotated copy into the picture of that width and height."""
    x, y = points[:, 0], points[:, 1]
    match rotation:
        case 90:
            x, y = y, height - 1 - x
        case 180:
            x, y = width - 1 - x, height - 1 - y
        case 270:
            x, y = width - 1 - y, x
    return np.stack([x, y], axis=1)


def unrotated_box(box: Box, rotation: int, width: int, height: int) -> Box:
    """Map a box of the rotated copy, edges on pixel edges, into the original picture."""
    corners = np.array([[box[0], box[1]], [box[2], box[3]]]) - 0.5
    back = unrotated_points(corners, rotation, width, height) + 0.5
    (left, top), (right, bottom) = back.min(axis=0).tolist(), back.max(axis=0).tolist()
    return left, top, right, bottom


def rotated_box(box: Box, rotation: int, width: int, height: int) -> Box:
    """Map a box of the picture of that width and height into its rotated copy."""
    sideways = rotation in (90, 270)
    back = (360 - rotation) % 360
    return unrotated_box(box, back, *((height, width) if sideways else (width, height)))
