"""Quarter turns of a picture, and the way back for points and boxes found in the turned copy."""

import numpy as np
from numpy.typing import NDArray

from engine.faces.boxes import Box

Pixels = NDArray[np.uint8]


def turned(pixels: Pixels, turn: int) -> Pixels:
    """Turn a picture clockwise by 0, 90, 180 or 270 degrees."""
    return np.ascontiguousarray(np.rot90(pixels, -turn // 90))


def points_back(
    points: NDArray[np.float64], turn: int, width: int, height: int
) -> NDArray[np.float64]:
    """Map (n, 2) pixel centres of the turned copy into the picture of that width and height."""
    x, y = points[:, 0], points[:, 1]
    match turn:
        case 90:
            x, y = y, height - 1 - x
        case 180:
            x, y = width - 1 - x, height - 1 - y
        case 270:
            x, y = width - 1 - y, x
    return np.stack([x, y], axis=1)


def box_back(box: Box, turn: int, width: int, height: int) -> Box:
    """Map a box of the turned copy, edges on pixel edges, into the original picture."""
    corners = np.array([[box[0], box[1]], [box[2], box[3]]]) - 0.5
    back = points_back(corners, turn, width, height) + 0.5
    (left, top), (right, bottom) = back.min(axis=0).tolist(), back.max(axis=0).tolist()
    return left, top, right, bottom


def box_turned(box: Box, turn: int, width: int, height: int) -> Box:
    """Map a box of the picture of that width and height into its turned copy."""
    sideways = turn in (90, 270)
    back = (360 - turn) % 360
    return box_back(box, back, *((height, width) if sideways else (width, height)))
