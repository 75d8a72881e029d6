"""The shape-normalised frame: every face in the same place, by landmarks and piecewise affine maps.

Two frames of the same size are used. The *aligned* frame differs from the photograph by a
similarity only. In the *mean* frame the landmarks also lie on the mean shape, so that a pixel means
the same part of the face for everyone (Craw and Cameron 1991; Cootes, Edwards and Taylor 2001).
Points are (x, y), with pixel centres on whole numbers.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from engine.geometry.landmarks import COUNT, FLIP

Floats = NDArray[Any]
"""float32."""
Pixels = NDArray[np.uint8]

WIDTH, HEIGHT = 256, 320
EYE_DISTANCE = 54.0
"""Pixels between the eye centres in the frame."""
EYES_AT = (127.5, 146.0)
"""The point between the eyes."""
LIFT = 0.62
"""Height of the hairline over the brows, in distances from brow to chin, roughly."""
ACROSS = (-0.55, -0.28, 0.0, 0.28, 0.55)
"""Where the five hairline points lie, in jaw widths from the middle."""
POINTS = COUNT + len(ACROSS)
HAIRLINE = slice(COUNT, POINTS)
MIRROR = np.array([*FLIP, *range(POINTS - 1, COUNT - 1, -1)])
"""`points[MIRROR]` puts the points of a mirrored face back into the usual order."""
STEP = 4
"""Maps are smooth but for kinks at landmarks: they are computed at every fourth pixel."""

# Anchors on the rim of the frame: what lies there never moves.
_RIM = np.array(
    [[x, y] for x in np.linspace(0, WIDTH - 1, 7) for y in (0.0, HEIGHT - 1.0)]
    + [[x, y] for y in np.linspace(0, HEIGHT - 1, 9)[1:-1] for x in (0.0, WIDTH - 1.0)],
    np.float32,
)


class Similarity(NamedTuple):
    """A turn, a scale and a shift: `matrix` (2, 3) takes photo points to frame points."""

    matrix: Floats

    @property
    def scale(self) -> float:
        """Frame pixels per photo pixel."""
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    def points(self, points: NDArray[np.floating]) -> Floats:
        """Points (n, 2) of the photograph in the frame."""
        return (points @ self.matrix[:, :2].T + self.matrix[:, 2]).astype(np.float32)

    def inverse(self) -> "Similarity":
        """The way back from the frame to the photograph."""
        return Similarity(cv2.invertAffineTransform(self.matrix).astype(np.float32))


def extended(landmarks: NDArray[np.floating]) -> Floats:
    """The 68 landmarks and five points along an assumed hairline, (73, 2)."""
    points = np.asarray(landmarks, np.float32)
    brow = points[19:25].mean(axis=0)
    down, across = points[8] - brow, points[16] - points[0]
    hairline = [brow - down * LIFT * (1 - 0.35 * abs(at)) + across * 0.9 * at for at in ACROSS]
    return np.vstack([points, hairline]).astype(np.float32)


def similarity(points: NDArray[np.floating], reference: NDArray[np.floating]) -> Similarity:
    """The least-squares similarity from points (n, 2) to reference (n, 2), without mirroring."""
    here = np.asarray(points, np.float64)
    there = np.asarray(reference, np.float64)
    start, goal = here.mean(axis=0), there.mean(axis=0)
    a, b = (here - start)[:, 0] + 1j * (here - start)[:, 1], there - goal
    factor = np.vdot(a, b[:, 0] + 1j * b[:, 1]) / np.vdot(a, a).real
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return Similarity(np.column_stack([turn, goal - turn @ start]).astype(np.float32))


def mean_shape(faces: NDArray[np.floating], rounds: int = 4) -> Floats:
    """The symmetric mean (73, 2) of faces (n, 73, 2), by generalised Procrustes analysis."""
    mean = _seated(np.asarray(faces[0], np.float64))
    for _ in range(rounds):
        aligned = np.stack([similarity(face[:COUNT], mean[:COUNT]).points(face) for face in faces])
        mean = _seated(aligned.mean(axis=0))
    return mean.astype(np.float32)


def coordinate_map(target: NDArray[np.floating], source: NDArray[np.floating]) -> Floats:
    """Where each pixel of the target frame lies in the source frame: (320, 256, 2), x and y.

    Piecewise affine over the Delaunay triangles of the target points and the rim of the frame.
    """
    there = np.vstack([target, _RIM])
    here = np.vstack([source, _RIM]).astype(np.float64)
    mesh = Delaunay(there.astype(np.float64))
    offset = (STEP - 1) / 2
    grid = np.mgrid[0 : HEIGHT // STEP, 0 : WIDTH // STEP][::-1].reshape(2, -1).T * STEP + offset
    triangle = np.maximum(mesh.find_simplex(grid), 0)
    affine = mesh.transform[triangle]
    first = np.einsum("nij,nj->ni", affine[:, :2], grid - affine[:, 2])
    weights = np.column_stack([first, 1 - first.sum(axis=1)])
    moved = (here[mesh.simplices[triangle]] * weights[..., None]).sum(axis=1) - grid
    coarse = moved.reshape(HEIGHT // STEP, WIDTH // STEP, 2).astype(np.float32)
    return identity_map() + enlarged(coarse, (WIDTH, HEIGHT))


def triangles_of(points: NDArray[np.floating]) -> NDArray[np.int32]:
    """The Delaunay triangles (n, 3) of points (73, 2) and the rim of the frame."""
    return np.asarray(Delaunay(np.vstack([points, _RIM]).astype(np.float64)).simplices, np.int32)


def steady_map(
    target: NDArray[np.floating], source: NDArray[np.floating], triangles: NDArray[np.int32]
) -> Floats:
    """`coordinate_map` over given triangles (n, 3), which do not flip where points move a little.

    A triangle that the points turned over shows what was drawn last.
    """
    there = np.vstack([target, _RIM]).astype(np.float64)
    here = np.vstack([source, _RIM]).astype(np.float64)
    offset, bits = (STEP - 1) / 2, 8
    corners = np.round((there - offset) / STEP * 2**bits).astype(np.int32)
    owner = np.zeros((HEIGHT // STEP, WIDTH // STEP), np.int32)
    for number, triangle in enumerate(triangles):
        cv2.fillConvexPoly(owner, corners[triangle], number, shift=bits)
    # From a point of the target to one of the source: affine in each triangle.
    lifted = np.concatenate([there[triangles], np.ones((len(triangles), 3, 1))], axis=2)
    flat = np.abs(np.linalg.det(lifted)) < 1e-3
    lifted[flat], values = np.eye(3), here[triangles]
    values[flat] = 0
    affine = np.linalg.solve(lifted, values)
    grid = np.mgrid[0 : HEIGHT // STEP, 0 : WIDTH // STEP][::-1].reshape(2, -1).T * STEP + offset
    whole, own = np.column_stack([grid, np.ones(len(grid))]), owner.ravel()
    places = np.einsum("nk,nkc->nc", whole, affine[own])
    # A sliver sends a point that it holds by rounding alone far away: keep it in its triangle.
    low, high = here[triangles].min(axis=1) - 1, here[triangles].max(axis=1) + 1
    moved = np.clip(places, low[own], high[own]) - grid
    coarse = moved.reshape(HEIGHT // STEP, WIDTH // STEP, 2).astype(np.float32)
    return identity_map() + enlarged(coarse, (WIDTH, HEIGHT))


def identity_map() -> Floats:
    """The map (320, 256, 2) that leaves every pixel where it is."""
    return np.ascontiguousarray(
        np.mgrid[0:HEIGHT, 0:WIDTH][::-1].transpose(1, 2, 0).astype(np.float32)
    )


def sampled(picture: NDArray[np.generic], where: Floats, *, cubic: bool = False) -> Floats:
    """The picture (h, w) or (h, w, c) read at the points of a map (h', w', 2), as float32."""
    how = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    values = np.asarray(picture, np.float32)
    x, y = (np.ascontiguousarray(where[..., axis]) for axis in (0, 1))
    return np.asarray(cv2.remap(values, x, y, how, borderMode=cv2.BORDER_REPLICATE))


def aligned(pixels: NDArray[np.generic], to_frame: Similarity) -> Floats:
    """The photograph (h, w, c) in the aligned frame (320, 256, c), areas averaged."""
    values, matrix = np.asarray(pixels), to_frame.matrix
    if to_frame.scale < 0.6:  # a warp reads four pixels: shrink first, or it would alias
        factor = to_frame.scale * 1.1
        size = max(round(pixels.shape[1] * factor), 1), max(round(pixels.shape[0] * factor), 1)
        values = cv2.resize(_levels(pixels), size, interpolation=cv2.INTER_AREA)
        x, y = size[0] / pixels.shape[1], size[1] / pixels.shape[0]
        shrink = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
        matrix = (np.vstack([matrix, [0, 0, 1]]) @ np.linalg.inv(shrink))[:2].astype(np.float32)
    return np.asarray(
        cv2.warpAffine(
            np.asarray(values, np.float32),
            matrix,
            (WIDTH, HEIGHT),
            flags=cv2.INTER_LINEAR if to_frame.scale < 1 else cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
    )


def _levels(pixels: NDArray[Any]) -> NDArray[Any]:
    """Numbers of a kind that OpenCV can average."""
    return pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32)


def enlarged(field: Floats, size: tuple[int, int]) -> Floats:
    """A smooth field (h, w) or (h, w, c) at another size (width, height)."""
    if field.shape[1::-1] == size:
        return field
    return np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_LINEAR))


def mirrored(points: NDArray[np.floating]) -> Floats:
    """Points (73, 2) or displacements' base of the face seen in a mirror, in the same frame."""
    swapped = np.asarray(points, np.float32)[..., MIRROR, :].copy()
    swapped[..., 0] = WIDTH - 1 - swapped[..., 0]
    return swapped


def _seated(shape: NDArray[np.floating]) -> NDArray[np.float64]:
    """A shape made symmetric, with level eyes at their place in the frame."""
    left, right = shape[36:42].mean(axis=0), shape[42:48].mean(axis=0)
    half = np.array([EYE_DISTANCE / 2, 0])
    seats = np.array([EYES_AT - half, EYES_AT + half])
    seated = similarity(np.array([left, right]), seats).points(shape)
    return ((seated + mirrored(seated)) / 2).astype(np.float64)
