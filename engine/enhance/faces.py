"""The faces of a picture that is being enhanced: detected, cropped, and changed in place."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.faces.crop import crop_face
from engine.faces.descriptor import SMALLEST
from engine.faces.detect import Detection, FaceFinder
from engine.faces.paste import oval
from engine.geometry.ffhq import Quad, quad_of
from engine.images.ranges import white_of
from engine.images.raster import Raster

SEARCHED = 2048
"""Long side of the copy that is searched, so that memory does not grow with the picture."""
MOST = 8
"""Faces that are enhanced, the largest first."""
REACH = 0.75
"""How far beyond its quad a face is read, in sides: the context of the crop's padding."""

STRIP = 256
"""Rows that are changed at once."""

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


def find_faces(picture: Raster, detection: Detection) -> list[Quad]:
    """The FFHQ squares of the faces, largest first; without profiles, whose points are guesses."""
    small = np.ascontiguousarray(picture.shrunk(SEARCHED))
    if max(small.shape) < SMALLEST:  # as the descriptor enlarges small faces
        scale = SMALLEST / max(small.shape)
        size = (round(small.shape[1] * scale), round(small.shape[0] * scale))
        small = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    bounded = {"search_side": min(detection.search_side, SEARCHED)}
    faces = FaceFinder(detection.model_copy(update=bounded)).find(small)
    larger = picture.width / small.shape[1]
    quads = [
        quad_of(face.landmarks.astype(np.float64)).scaled(larger)
        for face in faces
        if not face.profile and np.ptp(face.landmarks) > 0
    ]
    return quads[:MOST]


def cut_face(picture: Raster, quad: Quad, size: int) -> Pixels:
    """The aligned face (size, size, 3) in 8 bits; PictureError if it lies outside."""
    left, top, right, bottom = _around(quad, picture, quad.side * REACH)
    part = picture.bytes_of(top, bottom, left, right)
    return crop_face(part, quad.moved(-left, -top), size)


def changed_crop(face: Pixels, change: Floats, strength: float) -> Pixels:
    """An aligned face (n, n, 3) after `strength` times the change."""
    size = face.shape[0]
    how = cv2.INTER_AREA if change.shape[0] > size else cv2.INTER_CUBIC
    layers = cv2.resize(_faded(change), (size, size), interpolation=how)
    return added(face, np.asarray(layers, np.float32), strength)


def change_face(picture: Raster, change: Floats, quad: Quad, strength: float) -> None:
    """Add `strength` times a change (s, s, 3) of the aligned face, in levels of 255, where the face
    is; it fades out towards the rim of the head.

    Adding a change keeps what the picture knows beyond the resolution of the aligned face. Worked
    strip by strip, in place.
    """
    layers, size = _faded(change), change.shape[0]
    fits = max(round(quad.side), 8)
    if fits < size:  # averaged, where warping alone would skip pixels
        layers = np.asarray(cv2.resize(layers, (fits, fits), interpolation=cv2.INTER_AREA))
        size = fits
    left, top, right, bottom = _around(quad, picture, 0)
    to_picture = quad.to_source @ np.array(
        [[1 / size, 0, 0.5 / size], [0, 1 / size, 0.5 / size], [0, 0, 1]]
    )
    for first in range(top, bottom, STRIP):
        last = min(first + STRIP, bottom)
        to_strip = to_picture.copy()
        to_strip[:, 2] -= (left, first)
        warped = cv2.warpAffine(
            layers,
            to_strip,
            (right - left, last - first),
            flags=cv2.INTER_CUBIC if quad.side > size else cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
        )
        strip = picture.pixels[first:last, left:right]
        strip[:] = added(strip, np.asarray(warped, np.float32), strength)


def added(part: NDArray[Any], change: Floats, strength: float) -> NDArray[Any]:
    """A part of a picture with `strength` times the change, rounded and clipped."""
    white = white_of(part)
    values = part.astype(np.float32) + change * (strength * white / 255)
    return np.rint(np.clip(values, 0, white)).astype(part.dtype)


def _faded(change: Floats) -> Floats:
    return change * oval(change.shape[0])[..., None]


def _around(quad: Quad, picture: Raster, margin: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the part of the picture that holds the quad, one px at least."""
    (left, top), (right, bottom) = quad.corners.min(axis=0), quad.corners.max(axis=0)
    first = int(np.clip(np.floor(left - margin), 0, picture.width - 1))
    above = int(np.clip(np.floor(top - margin), 0, picture.height - 1))
    last = int(np.clip(np.ceil(right + margin) + 1, first + 1, picture.width))
    below = int(np.clip(np.ceil(bottom + margin) + 1, above + 1, picture.height))
    return first, above, last, below
