"""Finding faces: dlib's HOG detector over a ladder of sizes, quarter turns, then its CNN."""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.core.table import Table
from engine.faces.boxes import Box, area, distinct, grown, overlap
from engine.faces.dlib_nets import Hit, cnn_hits, hog_hits
from engine.faces.fitting import cut, fit_points, resized
from engine.faces.turning import Pixels, box_back, turned
from engine.geometry.landmarks import yaw

# dlib's HOG sees faces from this width on.
HOG_WINDOW = 80
# Under this score HOG sees faces everywhere.
LOWEST = -0.8
# Widths at which a find is looked at again: chance finds hold at one size only.
SECOND_LOOKS = (90, 130, 180)


class Detection(Table):
    """How hard to look for faces; sides are the long side of the copy that is searched."""

    long_side: int = Field(default=1024, ge=128, le=4096)
    """First look. HOG sees faces of 80 px and more, so an eighth of a 640 px photo."""
    search_side: int = Field(default=4096, ge=128, le=16384)
    """Bound of every later look, whatever the size of the photo."""
    smallest_face: int = Field(default=64, ge=20, le=1000)
    """Box width in the photo that is searched for beside larger faces: a square of 125 px."""
    enlarge: float = Field(default=2.0, ge=1, le=4)
    """How much a small photo may be enlarged: 2 is dlib's `upsample 1`, faces from 40 px."""
    min_score: float = Field(default=0.3, ge=-1, le=5)
    """HOG margin; false finds stay under 0.25, faces of usable size are mostly over 0.6."""
    doubtful_score: float = Field(default=-0.1, ge=-2, le=5)
    """Weaker finds from here on get a second look in colour, and stay if that one satisfies."""
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
    frontal_score: float = Field(default=-0.3, ge=-2, le=2)
    """A CNN find that frontal HOG scores below this is a profile too: measured -0.9 to -0.5."""


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
    turn: int
    profile: bool
    yaw: float

    @property
    def size(self) -> float:
        """Side in pixels of the square with the area of the box."""
        return math.sqrt(area(self.box))


@dataclass(frozen=True, slots=True)
class _Find:
    hit: Hit
    detector: str
    turn: int


class FaceFinder:
    """Looks for faces in one picture after another; holds settings only."""

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

        `every=False` stops at the first look that shows a face: what it leaves unseen is smaller
        than what it found, so it serves whoever wants the largest only, several times as fast.
        """
        finds = self._search(pixels, every)
        kept = distinct(
            [find.hit.box for find in finds],
            [find.hit.score for find in finds],
            self.settings.overlap,
        )
        faces = [self._face(pixels, finds[index]) for index in kept]
        return sorted(faces, key=lambda face: -area(face.box))

    def _search(self, pixels: Pixels, every: bool) -> list[_Find]:
        gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        for side in self._sides(gray, every):
            if finds := self._hog(pixels, gray, side, 0, self.settings.min_score):
                return finds
        if self.settings.rotations:
            side = min(self.settings.rotation_side, self._largest_side(gray))
            finds = [
                find
                for turn in (90, 180, 270)
                for find in self._hog(pixels, gray, side, turn, self.settings.rotation_min_score)
            ]
            if finds:
                return finds
        return self._cnn(pixels) if self.thorough else []

    def _sides(self, gray: Pixels, every: bool) -> list[int]:
        """List the long sides to try in turn, each only where it shows more than the last."""
        long = max(gray.shape)
        last = min(self.settings.search_side, self._largest_side(gray))
        if every:
            ladder = [min(round(long * HOG_WINDOW / self.settings.smallest_face), last), last]
        else:
            first = min(self.settings.long_side, long)
            ladder = [first, min(2 * first, last), last]
        return [side for at, side in enumerate(ladder) if at == 0 or side > ladder[at - 1]]

    def _largest_side(self, picture: Pixels) -> int:
        return round(max(picture.shape) * self.settings.enlarge)

    def _hog(
        self, pixels: Pixels, gray: Pixels, side: int, turn: int, threshold: float
    ) -> list[_Find]:
        """Search in grey, a quarter cheaper, and let colour decide what is doubtful."""
        copy = resized(gray, side / max(gray.shape))
        height, width = copy.shape
        hits = [
            _scaled(hit, box_back(hit.box, turn, width, height), gray, copy)
            for hit in hog_hits(turned(copy, turn), self.settings.doubtful_score)
        ]
        best = distinct(
            [hit.box for hit in hits], [hit.score for hit in hits], self.settings.overlap
        )
        sure: list[_Find] = []
        for hit in (hits[index] for index in best):
            score = hit.score
            if score < threshold:
                score = max(score, self._second_look(pixels, hit.box, turn))
            if score >= threshold:
                sure.append(_Find(hit._replace(score=score), "hog", turn))
        return sure

    def _cnn(self, pixels: Pixels) -> list[_Find]:
        side = min(self.settings.cnn_side, self._largest_side(pixels))
        copy = resized(pixels, side / max(pixels.shape))
        return [
            _Find(_scaled(hit, hit.box, pixels, copy), "cnn", 0)
            for hit in cnn_hits(copy)
            if hit.score >= self.settings.cnn_min_score
        ]

    def _face(self, pixels: Pixels, find: _Find) -> Face:
        box = find.hit.box
        points = fit_points(pixels, box, turn=find.turn, file=self.landmarks_file)
        angle = yaw(points)
        profile = abs(angle) >= self.settings.profile_yaw
        if find.detector == "cnn":
            # Points fitted to a profile look frontal, so the frontal detector is asked as well.
            profile = profile or self._second_look(pixels, box, 0) < self.settings.frontal_score
        return Face(
            box, find.hit.score, points.astype(np.float32), find.detector, find.turn, profile, angle
        )

    def _second_look(self, pixels: Pixels, box: Box, turn: int) -> float:
        """Return HOG's best score for a box at three sizes, -inf where it sees nothing there."""
        patch, left, top = cut(pixels, grown(box, 1.0))
        here = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
        best = -math.inf
        for wanted in SECOND_LOOKS:
            copy = resized(patch, wanted / (box[2] - box[0]))
            height, width = copy.shape[:2]
            for hit in hog_hits(turned(copy, turn), LOWEST):
                back = _scaled(hit, box_back(hit.box, turn, width, height), patch, copy)
                if overlap(back.box, here) >= self.settings.overlap:
                    best = max(best, hit.score)
        return best


def _scaled(hit: Hit, box: Box, picture: Pixels, copy: Pixels) -> Hit:
    """Carry a hit from a resized copy back to the picture."""
    x, y = picture.shape[1] / copy.shape[1], picture.shape[0] / copy.shape[0]
    return hit._replace(box=(box[0] * x, box[1] * y, box[2] * x, box[3] * y))
