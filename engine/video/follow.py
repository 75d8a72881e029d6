"""One person's face from frame to frame: found by the detector, kept by points and identity."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.core.errors import PictureError, UsageError
from engine.data.faces import FaceSource
from engine.data.points import holds_points
from engine.faces.boxes import Box, overlap
from engine.faces.choose import FaceChoice, reference_descriptor
from engine.faces.descriptor import SAME_PERSON, Descriptor, aligned_box, describe_face, distances
from engine.faces.detect import Face, FaceFinder
from engine.faces.fitting import flag_of
from engine.faces.rotation import Pixels
from engine.geometry.ffhq import quad_of
from engine.geometry.landmarks import eyes, yaw

SEARCH_SIDE = 2048
"""Long side of the largest copy of a frame that is searched."""
SEARCH_EVERY = 6
"""Frames after which a lost face is searched for again."""
KEY_EVERY = 12
"""Frames after which a followed face is compared with the person, and the shot is measured."""
FLAG_EVERY = 3
LEAST_FLAG = 0.3
"""Probability of a face by the face mesh under which it is lost."""
STILL_SAME = 0.75
"""dlib distance up to which a face that was followed is still this person, turned or laughing."""
RESIZED = 1.4
"""By how much the eye distance may grow or shrink from one frame to the next."""
SURE, REMEMBERED = 0.45, 20
"""Distance up to which a face is added to what is known of the person, and how many are."""


@dataclass(slots=True)
class Person:
    """What is known of the person: the mean of dlib's descriptors (128,) of some frames."""

    mean: Descriptor
    count: int = 1

    def add(self, descriptor: Descriptor) -> None:
        """Take in the descriptor of one more frame."""
        if self.count < REMEMBERED:
            total = self.mean * self.count + descriptor
            self.mean = (total / (self.count + 1)).astype(np.float32)
            self.count += 1


class Follower:
    """Follows the chosen person's face; `step` takes the frames one after another."""

    def __init__(self, choice: FaceChoice, source: FaceSource) -> None:
        """UsageError for a table of points, which belongs to photos."""
        if source.file is not None and holds_points(source.file):
            raise UsageError(
                f"`{source.file}` lists the points of photos: a clip's are fitted",
                hint="`--landmarks dlib` or `--landmarks mesh`",
            )
        side = min(source.detection.search_side, SEARCH_SIDE)
        bounds = {"rotations": False, "search_side": side}
        self.choice = choice
        self.source = source
        self.finder = FaceFinder(
            source.detection.model_copy(update=bounds), landmarks_file=source.file
        )
        self.person: Person | None = None
        if choice.reference is not None:
            self.person = Person(reference_descriptor(choice.reference))
        self.face: Face | None = None
        self.is_key = False
        """Whether the shot may be measured on the frame of the last step."""
        self._shift = np.zeros(2)
        self._since_search = SEARCH_EVERY
        self._since_key = 0

    def step(self, pixels: Pixels, *, new_shot: bool) -> Face | None:
        """The person's face in the next frame (h, w, 3); None where it is not seen."""
        if new_shot:
            self.face, self._since_search = None, SEARCH_EVERY
        before, self.is_key = self.face, False
        if before is not None:
            self.face = self._followed(pixels, before)
        if self.face is None:
            self._since_search += 1
            if before is not None or self._since_search >= SEARCH_EVERY:
                self.face = self._searched(pixels, before)
                self._since_search = 0
                self.is_key = self.face is not None
                self._since_key = 0
        if self.face is None or before is None:
            self._shift = np.zeros(2)
        else:
            self._shift = (self.face.landmarks - before.landmarks).mean(axis=0)
        return self.face

    def _followed(self, pixels: Pixels, before: Face) -> Face | None:
        """The face where the last frame had it; None where it is none, or another's."""
        height, width = pixels.shape[:2]
        guess = box_of(before.landmarks + self._shift)
        x, y = (guess[0] + guess[2]) / 2, (guess[1] + guess[3]) / 2
        if not (0 <= x < width and 0 <= y < height):
            return None
        points = self.source.points(pixels, guess)
        size = eyes(points).distance / max(eyes(before.landmarks).distance, 1e-6)
        if not 1 / RESIZED <= size <= RESIZED:
            return None
        face = self._face(points)
        self._since_key += 1
        if self._since_key % FLAG_EVERY == 0 and flag_of(pixels, face.box, 0) < LEAST_FLAG:
            return None
        if self._since_key >= KEY_EVERY:
            self._since_key, self.is_key = 0, True
            if not face.profile and not self._is_person(pixels, face, STILL_SAME):
                self.is_key = False
                return None
        return face

    def _searched(self, pixels: Pixels, before: Face | None) -> Face | None:
        """The person among the detected faces: as chosen the first time, later by identity."""
        every = self.choice.needs_all_sizes
        if self.person is None:
            try:
                face = self.choice.among(self.finder.search(pixels, every=every), pixels)[0]
            except PictureError:
                return None
            face = self._refitted(pixels, face)
            self.person = Person(describe_face(pixels, face))
            return face
        for thorough in (False, True):
            faces = self.finder.search(pixels, every=thorough).faces
            face = self._most_alike(pixels, faces, before)
            if face is not None:
                return self._refitted(pixels, face)
            if not faces:
                return None
        return None

    def _most_alike(self, pixels: Pixels, faces: list[Face], before: Face | None) -> Face | None:
        if not faces:
            return None
        assert self.person is not None
        described = np.stack([describe_face(pixels, face) for face in faces])
        apart = distances(described, self.person.mean)
        best = int(apart.argmin())
        near = before is not None and overlap(before.box, faces[best].box) > 0.4
        if apart[best] > (STILL_SAME if near else SAME_PERSON):
            return None
        if apart[best] <= SURE:
            self.person.add(described[best])
        return faces[best]

    def _is_person(self, pixels: Pixels, face: Face, limit: float) -> bool:
        assert self.person is not None
        descriptor = describe_face(pixels, face)
        apart = float(np.linalg.norm(descriptor - self.person.mean))
        if apart <= SURE:
            self.person.add(descriptor)
        return apart <= limit

    def _refitted(self, pixels: Pixels, face: Face) -> Face:
        """The face fitted in the box that follows from its points, as those of later frames."""
        points = self.source.points(pixels, box_of(face.landmarks))
        return replace(self._face(points), score=face.score, detector=face.detector)

    def _face(self, points: NDArray[np.float64]) -> Face:
        return face_of(points, self.source.detection.profile_yaw)


def face_of(points: NDArray[np.floating], profile_yaw: float) -> Face:
    """A face by its points (68, 2) alone."""
    angle = yaw(points)
    profile = abs(angle) >= profile_yaw
    return Face(box_of(points), 1.0, points.astype(np.float32), "followed", 0, profile, angle)


def box_of(points: NDArray[np.floating]) -> Box:
    """The box that dlib's detector puts around a face of 68 points (68, 2)."""
    left, top, right, bottom = aligned_box(1)
    corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
    edges = quad_of(np.asarray(points, np.float64)).source_points(corners)
    (x, y), (x_end, y_end) = edges.min(axis=0).tolist(), edges.max(axis=0).tolist()
    return x, y, x_end, y_end
