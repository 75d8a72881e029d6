"""Soft outlines of the parts of a face in the aligned frame, drawn by its points alone."""

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.photo.bands import blurred
from engine.photo.frame import EYE_DISTANCE, HEIGHT, WIDTH, Floats

FACE = [*range(17), 26, 25, 24, 19, 18, 17]
FOREHEAD = [68, 69, 70, 71, 72, 26, 24, 19, 17]
LEFT_EYE, RIGHT_EYE = range(36, 42), range(42, 48)
LIPS = range(48, 60)
BROWS = ((17, 18, 19, 20, 21), (22, 23, 24, 25, 26))


def feature_planes(points: Floats, *, shift: int = 0) -> tuple[Floats, Floats, Floats, Floats]:
    """Brows, eyes, mouth and face by points (73, 2) alone: planes (320, 256).

    shift: binary digits of a pixel to which corners are rounded; with none, outlines jump by whole
    pixels as a face moves.
    """
    left, right = (polygon(points[eye], 1.15, 1.2, shift) for eye in (LEFT_EYE, RIGHT_EYE))
    brow, other = (_brow(points[list(brow)], shift) for brow in BROWS)
    whole = polygon(points[FACE], 1.05, 5.0, shift)
    return (
        np.maximum(brow, other),
        np.maximum(left, right),
        polygon(points[LIPS], 1.12, 1.6, shift),
        np.maximum(whole, polygon(points[FOREHEAD], 1.0, 6.0, shift)),
    )


def polygon(points: NDArray[np.floating], grow: float, soft: float, shift: int = 0) -> Floats:
    """The hull of points, grown about its centre, with a soft rim of `soft` pixels."""
    plane = np.zeros((HEIGHT, WIDTH), np.float32)
    centre = points.mean(axis=0)
    corners = np.round(((points - centre) * grow + centre) * 2**shift).astype(np.int32)
    cv2.fillPoly(plane, [corners], 1.0, shift=shift)
    return blurred(plane, soft)


def _brow(points: Floats, shift: int = 0) -> Floats:
    """A brow (5, 2) as a stroke of a tenth of the eye distance."""
    plane = np.zeros((HEIGHT, WIDTH), np.float32)
    stroke = np.round(points * 2**shift).astype(np.int32)
    wide = round(EYE_DISTANCE * 0.13)
    cv2.polylines(plane, [stroke], False, 1.0, wide, cv2.LINE_AA, shift)
    return blurred(plane, 1.6)
