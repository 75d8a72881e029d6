"""dlib behind small typed functions; each net is loaded once per process, at first use."""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import dlib as _dlib
import numpy as np
from numpy.typing import NDArray

from engine.core.errors import WeightsError
from engine.faces.files import CNN_DETECTOR, dlib_file

# dlib ships no type stubs; `Any` ends in this file.
dlib: Any = _dlib

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]

# Half a detector window: nothing thinner shows a face, and dlib refuses the strides of one column.
THINNEST = 40

# The chip that dlib's network reads: its side in px, and dlib's own margin around the face.
CHIP_SIDE, CHIP_PADDING = 150, 0.25


class Hit(NamedTuple):
    """A detection: box (l, t, r, b) with r and b exclusive, and dlib's score."""

    box: Box
    score: float


def hog_hits(pixels: Pixels, threshold: float) -> list[Hit]:
    """Run the frontal HOG detector on uint8 (h, w) or (h, w, 3); detects faces from 80 px on."""
    if min(pixels.shape[:2]) < THINNEST:
        return []
    boxes, scores, _ = _hog().run(np.ascontiguousarray(pixels), 0, threshold)
    return [Hit(_box(box), float(score)) for box, score in zip(boxes, scores, strict=True)]


def cnn_hits(pixels: Pixels) -> list[Hit]:
    """Run the CNN detector on (h, w, 3) uint8 RGB; about 4 s a megapixel on one core."""
    if min(pixels.shape[:2]) < THINNEST:
        return []
    detections = _cnn()(np.ascontiguousarray(pixels), 0)
    return [Hit(_box(one.rect), float(one.confidence)) for one in detections]


def points_68(pixels: Pixels, box: Box, file: Path) -> NDArray[np.float64]:
    """Fit the 68 points (x, y) of the model in `file` to the face in `box`: whole pixels."""
    return _xy(_predictor(file)(np.ascontiguousarray(pixels), _rectangle(box)))


def face_chip(pixels: Pixels, points: NDArray[np.floating]) -> Pixels:
    """What dlib's descriptor sees of the face of (h, w, 3) whose 68 points are given: 150 px."""
    parts = dlib.points([dlib.point(round(x), round(y)) for x, y in points.tolist()])
    # dlib cuts its chip by the points alone; the box only has to be there.
    shape = dlib.full_object_detection(_rectangle((0, 0, *pixels.shape[1::-1])), parts)
    return dlib.get_face_chip(np.ascontiguousarray(pixels), shape, CHIP_SIDE, CHIP_PADDING)


@cache
def _hog() -> Any:
    return dlib.get_frontal_face_detector()


@cache
def _cnn() -> Any:
    return _load(dlib.cnn_face_detection_model_v1, dlib_file(CNN_DETECTOR))


@cache
def _predictor(path: Path) -> Any:
    predictor = _load(dlib.shape_predictor, path)
    probe = predictor(np.zeros((8, 8), np.uint8), dlib.rectangle(0, 0, 7, 7))
    if probe.num_parts != 68:
        raise WeightsError(
            f"`{path}` places {probe.num_parts} points, not 68",
            hint="give a dlib shape predictor trained on the 68 points of iBUG 300-W",
        )
    return predictor


def _load(build: Any, path: Path) -> Any:
    try:
        return build(str(path))
    except RuntimeError as error:
        raise WeightsError(
            f"`{path}` cannot be loaded by dlib: {' '.join(str(error).split())}",
            hint="the file is missing, damaged, or of another kind of model",
        ) from error


def _box(rectangle: Any) -> Box:
    left, top = float(rectangle.left()), float(rectangle.top())
    return left, top, left + rectangle.width(), top + rectangle.height()


def _rectangle(box: Box) -> Any:
    left, top, right, bottom = (round(side) for side in box)
    return dlib.rectangle(left, top, right - 1, bottom - 1)


def _xy(shape: Any) -> NDArray[np.float64]:
    return np.array([(part.x, part.y) for part in shape.parts()], dtype=np.float64)
