"""A portrait back in its photo: the person of it alone, and the colour of the eyes as it was."""

from functools import cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from engine.faces.paste import paste_face
from engine.faces.rotation import Pixels
from engine.geometry.landmarks import LEFT_EYE, RIGHT_EYE
from engine.images.ranges import to_tensors
from engine.inference.subject import Subject
from engine.nets.loading import frozen
from engine.nets.photos.selfie import SIZE, Selfie, load_selfie

Floats = NDArray[np.float32]
SEEN = 0.9
"""Mean of the person mask within the face from which it is believed: it was made for photographs,
and sees no person in some drawings."""
FEATHER = 0.012
"""Standard deviation of the blur of masks, in sides of the portrait."""


def pasted(subject: Subject, portrait: Pixels) -> Pixels:
    """The photo of a subject with the portrait (s, s, 3) of it.

    The background stays the photo's where a segmentation sees the person neither in the photo nor
    in the portrait, and so do the hues of the eyes, where they were found.
    """
    size = portrait.shape[0]
    points = subject.face_points(size)
    shown = None if points is None else _person(subject.face(size), portrait, points)
    kept = None if points is None else _eyes(points, size)
    return paste_face(subject.photo, portrait, subject.quad, shown=shown, hues_kept=kept)


def _person(face: Pixels, portrait: Pixels, points: NDArray[np.float64]) -> Floats | None:
    """Where either picture shows the person, (s, s) in 0..1; None if the mask is not believed."""
    size = portrait.shape[0]
    sides = [
        cv2.resize(one, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for one in (face, portrait)
    ]
    with torch.inference_mode():
        masks = _segmentation()(to_tensors(np.stack(sides).astype(np.uint8)))[:, 0].numpy()
    seen = cv2.resize(masks.max(axis=0), (size, size), interpolation=cv2.INTER_LINEAR)
    inside = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(points.round().astype(np.int32)), 1)
    if not inside.any() or float(seen[inside > 0].mean()) < SEEN:
        return None
    return _feathered(seen.astype(np.float32))


def _eyes(points: NDArray[np.float64], size: int) -> Floats:
    """The openings of the eyes, (s, s) in 0..1."""
    mask = np.zeros((size, size), np.float32)
    for eye in (LEFT_EYE, RIGHT_EYE):
        cv2.fillConvexPoly(mask, cv2.convexHull(points[eye].round().astype(np.int32)), 1.0)
    return _feathered(mask)


def _feathered(mask: Floats) -> Floats:
    sigma = max(FEATHER * mask.shape[0], 0.5)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32)


@cache
def _segmentation() -> Selfie:
    return frozen(load_selfie())
