"""Detail of a picture in octave bands, and how strong it is.

A band is the difference of two Gaussian blurs, an octave apart, as in Burt and Adelson (1983).
Ageing by the energy of such bands goes back to Tiddeman, Burt and Perrett (2001).
"""

import cv2
import numpy as np

from engine.photo.frame import Floats

SIGMAS = (1.2, 2.4, 4.8, 9.6)
"""Blur under which each band lies, finest first, in frame pixels (54 to the eye distance)."""
COUNT = len(SIGMAS)
WINDOW = 5.0
"""Sigma in frame pixels of the neighbourhood over which energy is averaged."""
FLOOR = 0.15
"""Lab levels of noise added before the logarithm, so that flat areas count for little."""
CELL = 4
"""Frame pixels to a cell of an energy map."""


def blurred(plane: Floats, sigma: float) -> Floats:
    """A Gaussian blur; broad ones are computed on a smaller copy."""
    shrink = int(sigma // 4)
    if shrink < 2:
        return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101))
    height, width = plane.shape[:2]
    size = max(round(width / shrink), 2), max(round(height / shrink), 2)
    small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    # Shrinking by area and enlarging linearly blur too: a box and a tent of `shrink` pixels.
    rest = np.sqrt(max(sigma**2 / shrink**2 - 0.25, 0.25))
    soft = cv2.GaussianBlur(small, (0, 0), float(rest), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR))


def detail_bands(lightness: Floats, scale: float = 1.0) -> tuple[list[Floats], Floats]:
    """The bands of L (h, w), finest first, and the blur that is left; they add up to L.

    scale: pixels of this picture per frame pixel, so that bands mean the same at any resolution.
    """
    bands, current = [], lightness
    for sigma in SIGMAS:
        soft = blurred(current, sigma * scale)
        bands.append(current - soft)
        current = soft
    return bands, current


def log_energy(lightness: Floats) -> Floats:
    """Log mean absolute detail of L in the frame (320, 256): (80, 64, 4), one plane per band."""
    bands, _ = detail_bands(lightness)
    planes = [blurred(np.abs(band), WINDOW)[CELL // 2 :: CELL, CELL // 2 :: CELL] for band in bands]
    return np.log(np.stack(planes, axis=-1) + FLOOR).astype(np.float32)
