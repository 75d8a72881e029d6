"""Pictures that a network made and that cannot be meant: blank, saturated, nothing of the source.

Weights whose numbers are all finite can still give black pictures; none is delivered as done.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.core.errors import PictureError

SIDE = 64
"""px of the copies that are compared."""
ENOUGH = 512
"""px of which as many as that are averaged."""
BLANK = 1.0
"""Standard deviation in levels of 255 under which a picture is blank."""
SATURATED = 0.6
"""Share of pixels without any value between black and white from which a picture is saturated."""
SAMPLED = 256
"""px of the copies whose saturation is compared; of single pixels, since means hide it in noise."""
FAR = 64.0
"""Mean difference of luma in levels of 255 from which an enhanced picture is another one."""

Pixels = NDArray[np.uint8]


def require_plausible(made: Pixels, source: Pixels, *, same: bool = False) -> None:
    """PictureError with the reason for a picture uint8 (h, w, 3) that its source does not explain.

    source: (h, w, 3) of any size; same: both show the same at the same place.
    """
    one, other = _small(source), _small(made)
    if other.std() < BLANK and one.std() >= 2 * BLANK:
        raise PictureError(
            f"the network gave a blank picture (every pixel about {other.mean():.0f})"
        )
    share = _saturated(made)
    if share >= SATURATED and _saturated(source) < SATURATED / 2:
        raise PictureError(f"the network gave a picture of which {share:.0%} is saturated")
    if same and (distance := abs(_luma(one) - _luma(other)).mean()) > FAR:
        raise PictureError(f"the result is {distance:.0f} levels from its source: another picture")


def _small(pixels: Pixels) -> NDArray[np.float32]:
    step = max(min(pixels.shape[:2]) // ENOUGH, 1)
    some = np.ascontiguousarray(pixels[::step, ::step])
    copy = cv2.resize(some, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(copy, np.float32)


def _saturated(pixels: Pixels) -> float:
    size = (min(SAMPLED, pixels.shape[1]), min(SAMPLED, pixels.shape[0]))
    some = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_NEAREST)
    return float(((some <= 1) | (some >= 254)).all(axis=2).mean())


def _luma(small: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(small.mean(axis=2), np.float32)
