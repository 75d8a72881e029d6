"""Face detection: dlib's HOG detector at several sizes and rotations, then its CNN.

The face mesh gives a second opinion on what HOG detects, and fits the points where it is asked to.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.core.table import Table
from engine.faces.boxes import Box, area, distinct, grown, overlap
from engine.faces.dlib_nets import Hit, cnn_hits, hog_hits
from engine.faces.fitting import Fitter, cut, fit_landmarks, flag_of, mesh_of, resized
from engine.faces.rotation import Pixels, rotated, unrotated_box
from engine.geometry.landmarks import yaw

if TYPE_CHECKING:
    from engine.faces.mesh import MeshFit

# dlib's HOG detects faces from this width on.
HOG_WINDOW = 80
# Under this score HOG detects faces everywhere.
LOWEST = -0.8
# Widths at which a detection is verified: false ones persist at one size only.
VERIFIED_WIDTHS = (90, 130, 180)
NO_FACE = "no face found"


class Detection(Table):
    """Effort and thresholds of detection; sides are the long side of the searched copy."""

    long_side: int = Field(default=1024, ge=128, le=4096)
    """First search. HOG detects faces of 80 px and more, so an eighth of a 640 px photo."""
    search_side: int = Field(default=4096, ge=128, le=16384)
    """Bound of every later search, whatever the size of the photo."""
    smallest_face: int = Field(default=64, ge=20, le=1000)
    """Box width in the photo that is searched for beside larger faces: a square of 125 px."""
    enlarge: float = Field(default=2.0, ge=1, le=4)
    """How much a small photo may be enlarged: 2 is dlib's `upsample 1`, faces from 40 px."""
    min_score: float = Field(default=0.3, ge=-1, le=5)
    """HOG margin; false detections stay under 0.25, faces of usable size are mostly over 0.6."""
    doubtful_score: float = Field(default=-0.1, ge=-2, le=5)
    """Weaker detections from here on are verified in colour."""
    rotations: bool = True
    """Try quarter turns where nothing stands upright: scans, and photos that lost their EXIF."""
    rotation_side: int = Field(default=768, ge=128, le=4096)
    rotation_min_score: float = Field(default=0.5, ge=-1, le=5)
    """Three more pictures are searched, so chance gets three more tries."""
    cnn_side: int = Field(default=1536, ge=128, le=4096)
    """For the thorough search; time and memory grow with its square: 6-16 s on one core."""
    cnn_min_score: float = Field(default=0.5, ge=-1, le=5)
    overlap: float = Field(default=0.4, gt=0, le=1)
    """Two boxes that share more than this are one face."""
    profile_yaw: float = Field(default=35.0, gt=0, le=90)
    """Degrees from which a face counts as a profile."""
    landmarks: Fitter = "dlib"
    """What fits the 68 points: dlib's model, which is for research only, or the face mesh."""
    min_flag: float = Field(default=0.05, ge=0, le=1)
    """Probability of a face by the face mesh under which a HOG detection is none; 0: not asked.

    On `train` people real faces have 1.0, behind a drawn mask at least .12, drawn ones 1.0; of the
    false detections nine in ten have less than .05 (`benchmarks/landmarks.py opinion`)."""
    frontal_score: float = Field(default=-0.3, ge=-2, le=2)
    """A CNN detection that frontal HOG scores lower is a profile, too: measured -0.9 to -0.5."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face in the coordinates of the upright picture.

    box: l, t, r, b; landmarks: (68, 2) float32, pixel centres on whole numbers; yaw in degrees,
    positive when the nose points right. The points of a `profile` are guesses.
    """

    box: Box
    score: float
    landmarks: NDArray[np.float32]
    detector: str
    rotation: int
    profile: bool
    yaw: float

    @property
    def size(self) -> float:
        """Side in pixels of the square with the area of the box."""
        return math.sqrt(area(self.box))


@dataclass(frozen=True, slots=True)
class Rejected:
    """What HOG took for a face and the face mesh did not: its box, HOG's score, the mesh's flag."""

    box: Box
    score: float
    flag: float


@dataclass(frozen=True, slots=True)
class Detections:
    """The faces of a picture, largest first, and what was rejected on the way to them."""

    faces: list[Face]
    rejected: list[Rejected]

    @property
    def why_none(self) -> str:
        """The reason of a picture without a face."""
        if not self.rejected:
            return NO_FACE
        best = max(self.rejected, key=lambda one: one.score)
        x, y = (best.box[0] + best.box[2]) / 2, (best.box[1] + best.box[3]) / 2
        return f"{NO_FACE}: what looks like one at ({x:.0f}, {y:.0f}) is none by the face mesh"


@dataclass(frozen=True, slots=True)
class _Candidate:
    hit: Hit
    detector: str
    rotation: int
    mesh: "MeshFit | None" = None


class FaceFinder:
    """Detects the faces of one picture after another; holds settings only."""

    def __init__(
        self,
        settings: Detection | None = None,
        *,
        thorough: bool = False,
        landmarks_file: Path | None = None,
    ) -> None:
        self.settings = settings if settings is not None else Detection()
        self.thorough = thorough
        self.landmarks_file = landmarks_file

    def find(self, pixels: Pixels, *, every: bool = True) -> list[Face]:
        """Find the faces of (h, w, 3) uint8 RGB, largest first.

        `every=False` stops at the first search with a detection: the faces that it misses are
        smaller, so it is enough for the largest one, and several times as fast.
        """
        return self.search(pixels, every=every).faces

    def search(self, pixels: Pixels, *, every: bool = True) -> Detections:
        """Find as `find` does, and keep what the face mesh rejected."""
        rejected: list[Rejected] = []
        detections = self._search(pixels, every, rejected)
        kept = distinct(
            [candidate.hit.box for candidate in detections],
            [candidate.hit.score for candidate in detections],
            self.settings.overlap,
        )
        faces = [self._face(pixels, detections[index]) for index in kept]
        return Detections(sorted(faces, key=lambda face: -area(face.box)), rejected)

    def _search(self, pixels: Pixels, every: bool, rejected: list[Rejected]) -> list[_Candidate]:
        gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        for side in self._sides(gray, every):
            hits = self._hog(pixels, gray, side, 0, self.settings.min_score)
            if detections := self._confirmed(pixels, hits, rejected):
                return detections
        if self.settings.rotations:
            side = min(self.settings.rotation_side, self._largest_side(gray))
            hits = [
                candidate
                for rotation in (90, 180, 270)
                for candidate in self._hog(
                    pixels, gray, side, rotation, self.settings.rotation_min_score
                )
            ]
            if detections := self._confirmed(pixels, hits, rejected):
                return detections
        return self._cnn(pixels) if self.thorough else []

    def _sides(self, gray: Pixels, every: bool) -> list[int]:
        """The long sides to try in this order, each larger than the last."""
        long = max(gray.shape)
        # A panorama has no more pixels at a longer side than a photo of 4 to 3 at the bound.
        stretched = max(1.0, math.sqrt(0.75 * long / min(gray.shape)))
        last = min(round(self.settings.search_side * stretched), self._largest_side(gray))
        if every:
            sides = [min(round(long * HOG_WINDOW / self.settings.smallest_face), last), last]
        else:
            first = min(self.settings.long_side, long)
            sides = [first, min(2 * first, last), last]
        return [side for at, side in enumerate(sides) if at == 0 or side > sides[at - 1]]

    def _largest_side(self, picture: Pixels) -> int:
        return round(max(picture.shape) * self.settings.enlarge)

    def _hog(
        self, pixels: Pixels, gray: Pixels, side: int, rotation: int, threshold: float
    ) -> list[_Candidate]:
        """Search in grey, a quarter cheaper, and verify doubtful detections in colour."""
        copy = resized(gray, side / max(gray.shape))
        height, width = copy.shape
        hits = [
            _scaled(hit, unrotated_box(hit.box, rotation, width, height), gray, copy)
            for hit in hog_hits(rotated(copy, rotation), self.settings.doubtful_score)
        ]
        best = distinct(
            [hit.box for hit in hits], [hit.score for hit in hits], self.settings.overlap
        )
        sure: list[_Candidate] = []
        for hit in (hits[index] for index in best):
            score = hit.score
            if score < threshold:
                score = max(score, self._verified_score(pixels, hit.box, rotation))
            if score >= threshold:
                sure.append(_Candidate(hit._replace(score=score), "hog", rotation))
        return sure

    def _confirmed(
        self, pixels: Pixels, hits: list[_Candidate], rejected: list[Rejected]
    ) -> list[_Candidate]:
        """The hits that the face mesh takes for faces too; the others are added to `rejected`."""
        if self.settings.min_flag == 0:
            return hits
        sure: list[_Candidate] = []
        for one in hits:
            box, rotation = one.hit.box, one.rotation
            if self.settings.landmarks == "mesh":
                mesh = mesh_of(pixels, box, rotation)
                one, flag = replace(one, mesh=mesh), mesh.flag
            else:
                flag = flag_of(pixels, box, rotation)
            if flag >= self.settings.min_flag:
                sure.append(one)
            else:
                rejected.append(Rejected(box, one.hit.score, flag))
        return sure

    def _cnn(self, pixels: Pixels) -> list[_Candidate]:
        side = min(self.settings.cnn_side, self._largest_side(pixels))
        copy = resized(pixels, side / max(pixels.shape))
        return [
            _Candidate(_scaled(hit, hit.box, pixels, copy), "cnn", 0)
            for hit in cnn_hits(copy)
            if hit.score >= self.settings.cnn_min_score
        ]

    def _face(self, pixels: Pixels, candidate: _Candidate) -> Face:
        box, rotation = candidate.hit.box, candidate.rotation
        by, file = self.settings.landmarks, self.landmarks_file
        if by == "mesh" and candidate.mesh is not None:
            points = candidate.mesh.points
        else:
            points = fit_landmarks(pixels, box, by, rotation=rotation, file=file)
        angle = yaw(points)
        profile = abs(angle) >= self.settings.profile_yaw
        if candidate.detector == "cnn":
            # Points fitted to a profile look frontal, so the frontal detector decides as well.
            profile = profile or self._verified_score(pixels, box, 0) < self.settings.frontal_score
        return Face(
            box,
            candidate.hit.score,
            points.astype(np.float32),
            candidate.detector,
            candidate.rotation,
            profile,
            angle,
        )

    def _verified_score(self, pixels: Pixels, box: Box, rotation: int) -> float:
        """HOG's best score for a box at three sizes, -inf where it detects nothing there."""
        patch, left, top = cut(pixels, grown(box, 1.0))
        here = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
        best = -math.inf
        for wanted in VERIFIED_WIDTHS:
            copy = resized(patch, wanted / (box[2] - box[0]))
            height, width = copy.shape[:2]
            for hit in hog_hits(rotated(copy, rotation), LOWEST):
                back = _scaled(hit, unrotated_box(hit.box, rotation, width, height), patch, copy)
                if overlap(back.box, here) >= self.settings.overlap:
                    best = max(best, hit.score)
        return best


def _scaled(hit: Hit, box: Box, picture: Pixels, copy: Pixels) -> Hit:
    """Carry a hit from a resized copy back to the picture."""
    x, y = picture.shape[1] / copy.shape[1], picture.shape[0] / copy.shape[0]
    return hit._replace(box=(box[0] * x, box[1] * y, box[2] * x, box[3] * y))
