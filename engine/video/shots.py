"""Where a clip cuts from one shot to the next, by the colours of its frames.

The histogram rule of Zhang, Kankanhalli and Smoliar (1993): a cut is a step between two frames
that is large, and much larger than the steps just before it.
"""

from collections import deque

import cv2
import numpy as np

from engine.faces.rotation import Pixels

SMALL = (64, 48)
"""Width and height of the copies that are compared."""
BINS = 8
"""Bins to a channel."""
STEP = 0.35
"""Share of the pixels that change their bin, from which there may be a cut."""
OVER_BEFORE = 3.0
"""How much larger the step is than the largest one of the last frames: a fade or a flash has
others like it."""
SURELY = 0.8
"""Step that is a cut whatever came before it."""
BEFORE = 8
"""Frames that are looked back on."""
LAYOUT = 0.08
"""Mean change of the copies, of 1, without which there is no cut: a lamp that is switched on
changes every bin and no place."""


class CutFinder:
    """Watches the frames of a clip one after another."""

    def __init__(self) -> None:
        self._histogram: np.ndarray | None = None
        self._small: np.ndarray | None = None
        self._steps: deque[float] = deque(maxlen=BEFORE)

    def is_cut(self, pixels: Pixels) -> bool:
        """Whether a new shot begins with this frame (h, w, 3); the first frame begins none."""
        small = np.asarray(cv2.resize(pixels, SMALL, interpolation=cv2.INTER_AREA))
        bins = [BINS] * 3
        counts = cv2.calcHist([small], [0, 1, 2], None, bins, [0, 256] * 3)
        histogram = counts.ravel() / counts.sum()
        # Light apart, does every place show the same?
        grey = small.mean(axis=2, dtype=np.float32)
        grey = (grey - grey.mean()) / max(float(grey.std()), 4.0)
        if self._histogram is None or self._small is None:
            self._histogram, self._small = histogram, grey
            return False
        step = float(np.abs(histogram - self._histogram).sum() / 2)
        moved = float(np.abs(grey - self._small).mean()) / 2
        self._histogram, self._small = histogram, grey
        largest = max(self._steps, default=0.0)
        enough = max(STEP, min(OVER_BEFORE * largest, SURELY))
        cut = step > enough and moved > LAYOUT
        self._steps.append(0.0 if cut else step)
        return cut
