"""Whether a mask or a scarf covers the lower half of a face, by its colour."""

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.faces.boxes import grown
from engine.faces.fitting import cut
from engine.faces.rotation import Pixels
from engine.geometry.landmarks import Points, eyes

COVERED = 22.0
"""Chroma distance (Lab) of two of cheeks and upper lip from the bridge of the nose.

Among the 517 `train` portraits of 2015 one face in 500 has more than 17.9, none more than 20.4;
behind masks of blue or green drawn on 80 of them all have more than 27. A mask of the colour of
skin is not seen, nor is any in a grey photograph."""
COLOURLESS, COLOURED = 8.0, 12.0
"""Chroma of a white or black mask at most, and of a face above it at least: among those portraits
no face of chroma 12 at the bridge of the nose has less than 13.7 below it."""
PATCH = 0.05
"""Half the side of the patches, in eye distances."""


def is_covered(pixels: Pixels, points: Points) -> bool:
    """Whether the lower half of the face with points (68, 2) is covered in (h, w, 3) RGB."""
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    patch, x, y = cut(pixels, grown((left, top, right, bottom), 0.1))
    own, half = points - [x, y], max(round(eyes(points).distance * PATCH), 1)
    above = (own[27], own[28], (own[21] + own[22]) / 2)
    below = ((own[2] + own[31]) / 2, (own[14] + own[35]) / 2, (own[33] + own[51]) / 2)
    bridge = np.median([_chroma(patch, at, half) for at in above], axis=0)
    lower = np.array([_chroma(patch, at, half) for at in below])
    distance = np.median(np.linalg.norm(lower - bridge, axis=1))
    colourless = np.median(np.linalg.norm(lower, axis=1)) < COLOURLESS
    return bool(distance > COVERED or (colourless and np.linalg.norm(bridge) > COLOURED))


def _chroma(pixels: Pixels, at: NDArray[np.floating], half: int) -> NDArray[np.float64]:
    """The median a and b of Lab about a point."""
    height, width = pixels.shape[:2]
    x, y = round(float(np.clip(at[0], 0, width - 1))), round(float(np.clip(at[1], 0, height - 1)))
    part = pixels[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
    lab = cv2.cvtColor(part.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.median(lab.reshape(-1, 3)[:, 1:], axis=0)
