"""The faces of photos: detected, or given by points in a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.core.errors import PictureError, UsageError
from engine.data.points import CORNERS, POINTS, holds_points, points_of, read_points
from engine.faces.boxes import Box
from engine.faces.descriptor import aligned_box
from engine.faces.detect import Detection, Detections, Face, FaceFinder
from engine.faces.fitting import fit_landmarks
from engine.faces.rotation import Pixels
from engine.geometry.ffhq import quad_of
from engine.geometry.landmarks import LEFT_EYE, MOUTH, RIGHT_EYE, yaw

NOSE_TIP, ACROSS = 30, 6
"""A point, and how many points lie from one corner of the mouth to the other."""
FITTERS = ("dlib", "mesh")


@dataclass(frozen=True, slots=True)
class FaceSource:
    """How faces are found and their 68 points fitted.

    file: another 68-point model for dlib, or a table of known points or boxes; None for what
    `detection` names.
    """

    detection: Detection = Detection()
    thorough: bool = False
    file: Path | None = None

    @classmethod
    def of(
        cls, detection: Detection, landmarks: str | Path | None, *, thorough: bool = False
    ) -> Self:
        """What `--landmarks` asks for: `dlib`, `mesh`, or a file."""
        if landmarks is None:
            return cls(detection, thorough)
        named = str(landmarks) in FITTERS
        fitter = str(landmarks) if named else "dlib"
        asked = detection.model_copy(update={"landmarks": fitter})
        return cls(asked, thorough, None if named else Path(landmarks))

    def check(self) -> None:
        """Meet the faults of the file before a batch begins: UsageError."""
        if self.file is not None and not self.file.is_file():
            raise UsageError(
                f"`{self.file}` fits no landmarks: it is no file",
                hint=f"{', '.join(f'`{name}`' for name in FITTERS)}, a model for dlib, or a table",
            )
        if self.file is not None and holds_points(self.file):
            read_points(self.file)

    def search(self, photo: Path, pixels: Pixels, *, every: bool) -> Detections:
        """The faces of a photo (h, w, 3): the one of its given points, else those detected.

        PictureError for a photo that a table of points leaves out.
        """
        if self.file is not None and holds_points(self.file):
            points = points_of(photo, read_points(self.file))
            if points is None:
                raise PictureError("its points are not in the given file", status="skipped")
            if len(points) != POINTS:
                points = self._fitted(pixels, points)
            return Detections([_given_face(points, self.detection.profile_yaw)], [])
        finder = FaceFinder(self.detection, thorough=self.thorough, landmarks_file=self.file)
        return finder.search(pixels, every=every)

    def _fitted(self, pixels: Pixels, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """The 68 points of a face of 5 known points (5, 2) or of a box's corners (2, 2)."""
        if len(points) == CORNERS:
            (left, top), (right, bottom) = points.tolist()
            # Boxes of other detectors are not dlib's: twice around what was fitted in them.
            for _ in range(2):
                points = self.points(pixels, (left, top, right, bottom)).astype(np.float32)
                left, top, right, bottom = _box_around(_five_of(points))
            return points
        return self.points(pixels, _box_around(points)).astype(np.float32)

    def points(self, pixels: Pixels, box: Box, *, rotation: int = 0) -> NDArray[np.float64]:
        """Fit the 68 points (68, 2) anew to a face in `box` of an RGB picture (h, w, 3)."""
        file = None if holds_points(self.file) else self.file
        return fit_landmarks(pixels, box, self.detection.landmarks, rotation=rotation, file=file)


def _five_of(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Eyes, nose and corners of the mouth (5, 2) of 68 points."""
    eyes = [points[LEFT_EYE].mean(axis=0), points[RIGHT_EYE].mean(axis=0)]
    return np.stack([*eyes, points[NOSE_TIP], points[MOUTH.start], points[MOUTH.start + ACROSS]])


def _box_around(points: NDArray[np.float32]) -> Box:
    """The box that dlib puts around a face of 5 points (5, 2), by FFHQ's square of it."""
    left, right, _, *corners = points.astype(np.float64)
    known = np.zeros((POINTS, 2))
    known[LEFT_EYE], known[RIGHT_EYE] = left, right
    known[MOUTH.start], known[MOUTH.start + ACROSS] = corners
    low_x, low_y, high_x, high_y = aligned_box(1)
    frame = [[low_x, low_y], [high_x, low_y], [high_x, high_y], [low_x, high_y]]
    edges = quad_of(known).source_points(frame)
    (x, y), (x_end, y_end) = edges.min(axis=0).tolist(), edges.max(axis=0).tolist()
    return x, y, x_end, y_end


def _given_face(points: NDArray[np.float32], profile_yaw: float) -> Face:
    """A face of 68 given points; its box is the box around them."""
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    box = float(left), float(top), float(right), float(bottom)
    angle = yaw(points)
    return Face(box, 1.0, points, "given", 0, abs(angle) >= profile_yaw, angle)
