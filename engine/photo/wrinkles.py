"""Fine lines where they belong."""

import numpy as np

from engine.photo.frame import Floats
from engine.photo.subject import PhotoSubject


def wrinkle_change(subject: PhotoSubject, ages: tuple[float, float], gain: float) -> Floats:
    """The change of L (h, w) by lines that appear between two ages."""
    return np.zeros(subject.work.lab.shape[:2], np.float32)
