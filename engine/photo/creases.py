"""Thin dark lines of skin: where they are in a picture, and how deep they typically are."""

import cv2
import numpy as np

from engine.photo.frame import Floats


def creases(light: Floats, per_frame: float, skin: Floats, *, level: float | None = None) -> Floats:
    """Thin dark lines of L (h, w), 0..1: by the Hessian, as vessels are found (Frangi 1998).

    level: of `level_of`, where it is known.
    """
    valley = _valleys(light, per_frame)
    typical = _typical(valley, skin) if level is None else level
    if typical is None:
        return np.zeros_like(light)
    line = np.clip(valley / max(2 * typical, 1e-3), 0, 1)
    return np.clip(cv2.GaussianBlur(line, (0, 0), 1.0 * per_frame) * 1.5, 0, 1).astype(np.float32)


def level_of(light: Floats, per_frame: float, skin: Floats) -> float | None:
    """How deep the lines of L (h, w) typically are on skin (h, w); None where there is no skin."""
    return _typical(_valleys(light, per_frame), skin)


def _typical(valley: Floats, skin: Floats) -> float | None:
    where = skin > 0.5
    return float(np.percentile(valley[where], 85)) if where.any() else None


def _valleys(light: Floats, per_frame: float) -> Floats:
    """How dark and narrow the valleys of L (h, w) are."""
    soft = cv2.GaussianBlur(light, (0, 0), 1.3 * per_frame)
    xx, yy = cv2.Sobel(soft, cv2.CV_32F, 2, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 2)
    xy = cv2.Sobel(soft, cv2.CV_32F, 1, 1)
    root = np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    across, along = (xx + yy) / 2 + root, np.abs((xx + yy) / 2 - root)
    return np.maximum(across, 0) * np.clip(1 - along / np.maximum(across, 1e-6), 0, 1)
