"""The 68 points of a face whose box is known, steadier than one call of the predictor."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.faces.boxes import Box, grown
from engine.faces.dlib_nets import points_68
from engine.faces.files import POINTS_68, installed_dlib_file
from engine.faces.rotation import Pixels, rotated, rotated_box, unrotated_points

if TYPE_CHECKING:
    from engine.faces.mesh import MeshFit

Fitter = Literal["dlib", "mesh"]

# The points shift by 1-2% of the eye distance with the box they start from; the mean over a
# cross of five starts halves that for 5 ms. Offsets are in box widths.
STARTS = ((0.0, 0.0), (-0.03, 0.0), (0.03, 0.0), (0.0, -0.03), (0.0, 0.03))
# Width at which a face is shown to the predictor, whatever its size in the photo.
FITTING_WIDTH = 200
# Degrees of tilt up to which the predictor is right, those left at which turning ends, and the most
# turns of the picture.
MOST_TILT, NEARLY_UPRIGHT, TURNS = 10.0, 4.0, 4
MARGIN = 0.6


def fit_points(
    pixels: Pixels, box: Box, *, rotation: int = 0, file: Path | None = None
) -> NDArray[np.float64]:
    """Fit (68, 2) points to the face in `box` of an RGB picture, in that picture's pixels.

    By dlib's model or another one's `file`; where dlib's is not installed, by the face mesh.
    rotation: the clockwise quarter rotation, in degrees, that puts the face upright.
    """
    file = installed_dlib_file(POINTS_68) if file is None else file
    if file is None:
        return mesh_of(pixels, box, rotation).points
    patch, left, top = cut(pixels, grown(box, MARGIN))
    scale = FITTING_WIDTH / max(box[2] - box[0], 1.0)
    copy = resized(patch, scale)
    height, width = copy.shape[:2]
    # The copy has whole pixels, so its true scales differ a little from the requested one.
    scales = np.array([width / patch.shape[1], height / patch.shape[0]])
    inside = np.array([[box[0] - left, box[1] - top], [box[2] - left, box[3] - top]]) * scales
    start = rotated_box((*inside[0].tolist(), *inside[1].tolist()), rotation, width, height)
    upright = rotated(copy, rotation)
    points = _fit_upright(upright, start, file)
    fitted = unrotated_points(points, rotation, width, height)
    return (fitted + 0.5) / scales - 0.5 + [left, top]


def _fit_upright(pixels: Pixels, start: Box, file: Path) -> NDArray[np.float64]:
    """Points (68, 2) of a face in a box; of a tilted one, which the predictor takes for less
    tilted than it is, on the picture turned by what is left of its tilt.
    """
    centre = (start[0] + start[2]) / 2, (start[1] + start[3]) / 2
    turn, points = 0.0, _mean_fit(pixels, start, file)
    for _ in range(TURNS):
        tilt = _tilt(points)
        if abs(tilt + turn) < MOST_TILT or abs(tilt) < NEARLY_UPRIGHT:
            break
        turn += tilt
        matrix = cv2.getRotationMatrix2D(centre, turn, 1.0)
        size = pixels.shape[1], pixels.shape[0]
        turned = cv2.warpAffine(pixels, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        points = _mean_fit(np.asarray(turned, np.uint8), start, file)
    if turn == 0.0:
        return points
    back = cv2.invertAffineTransform(cv2.getRotationMatrix2D(centre, turn, 1.0))
    return points @ back[:, :2].T + back[:, 2]


def _mean_fit(pixels: Pixels, start: Box, file: Path) -> NDArray[np.float64]:
    return np.mean([points_68(pixels, _moved(start, x, y), file) for x, y in STARTS], axis=0)


def _tilt(points: NDArray[np.float64]) -> float:
    """Degrees by which the line of the eyes falls to the right."""
    across = points[42:48].mean(axis=0) - points[36:42].mean(axis=0)
    return float(np.degrees(np.arctan2(across[1], across[0])))


def fit_landmarks(
    pixels: Pixels, box: Box, by: Fitter, *, rotation: int = 0, file: Path | None = None
) -> NDArray[np.float64]:
    """Fit (68, 2) points as `fit_points` does, or by the face mesh."""
    if by == "mesh":
        return mesh_of(pixels, box, rotation).points
    return fit_points(pixels, box, rotation=rotation, file=file)


def mesh_of(pixels: Pixels, box: Box, rotation: int) -> "MeshFit":
    """The face mesh in a box; torch, which takes two seconds to load, is imported here."""
    from engine.faces.mesh import fit_mesh

    return fit_mesh(pixels, box, rotation=rotation)


def flag_of(pixels: Pixels, box: Box, rotation: int) -> float:
    """The probability of a face in a box by the face mesh."""
    from engine.faces.mesh import face_flag

    return face_flag(pixels, box, rotation=rotation)


def cut(pixels: Pixels, box: Box) -> tuple[Pixels, int, int]:
    """Cut the part of a box that lies inside the picture, at least one pixel; and its corner."""
    height, width = pixels.shape[:2]
    left, top = (
        int(np.clip(np.floor(v), 0, n - 1)) for v, n in zip(box, (width, height), strict=False)
    )
    right = int(np.clip(np.ceil(box[2]), left + 1, width))
    bottom = int(np.clip(np.ceil(box[3]), top + 1, height))
    return pixels[top:bottom, left:right], left, top


def resized(pixels: Pixels, scale: float) -> Pixels:
    """Scale a picture, averaging areas when it shrinks."""
    height, width = pixels.shape[:2]
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    if size == (width, height):
        return pixels
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(pixels, size, interpolation=how).astype(np.uint8, copy=False)


def _moved(box: Box, x: float, y: float) -> Box:
    width, height = box[2] - box[0], box[3] - box[1]
    return box[0] + x * width, box[1] + y * height, box[2] + x * width, box[3] + y * height
