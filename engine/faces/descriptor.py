"""dlib's 128-D identity descriptor: Euclidean distances, under 0.6 the same person."""

import numpy as np
from numpy.typing import NDArray

from engine.faces import dlib_nets
from engine.faces.boxes import Box, grown
from engine.faces.detect import Face
from engine.faces.fitting import cut, fit_points, resized
from engine.faces.rotation import Pixels
from engine.geometry.ffhq import Quad

SAME_PERSON = 0.6
SMALLEST = 256
"""Smaller pictures are enlarged to this before dlib describes them."""

# Where dlib's detector puts its box on FFHQ-aligned photos, in shares of the side.
ALIGNED_BOX = (0.21, 0.29, 0.77, 0.85)

Descriptor = NDArray[np.float32]


def describe_face(pixels: Pixels, face: Face) -> Descriptor:
    """Embed a detected face of an RGB picture: (128,) float32."""
    patch, left, top = cut(pixels, grown(face.box, 1.0))
    return _describe(patch, face.landmarks - np.array([left, top]))


def describe_aligned(
    pixels: Pixels,
    landmarks: NDArray[np.floating] | None = None,
    *,
    quad: Quad | None = None,
) -> Descriptor:
    """Embed an aligned (s, s, 3) RGB face: (128,) float32.

    landmarks: its 68 points, in source pixels if the quad is given too, else in its own; without
    them they are fitted again.
    """
    size = pixels.shape[0]
    if landmarks is None:
        landmarks = fit_points(pixels, aligned_box(size))
    elif quad is not None:
        landmarks = Quad.frame(size, size).source_points(quad.unit_points(landmarks))
    return _describe(pixels, landmarks)


def aligned_box(size: int) -> Box:
    """dlib's usual box on an aligned picture of that size."""
    left, top, right, bottom = (share * size for share in ALIGNED_BOX)
    return left, top, right, bottom


def distances(descriptors: Descriptor, reference: Descriptor) -> NDArray[np.float32]:
    """Measure (n, 128) descriptors against one: (n,) Euclidean distances."""
    return np.linalg.norm(descriptors - reference, axis=1).astype(np.float32)


def _describe(pixels: Pixels, landmarks: NDArray[np.floating]) -> Descriptor:
    from engine.faces.embedding import embed_chip  # torch takes two seconds to load

    scale = max(SMALLEST / min(pixels.shape[:2]), 1.0)
    larger = resized(pixels, scale)
    points = (landmarks.astype(np.float64) + 0.5) * scale - 0.5
    return embed_chip(dlib_nets.face_chip(larger, points))
