"""Identity by dlib's 128-D face descriptor: `1 - d/d0`.

d is the distance to the reference, d0 the mean distance between different people of the same age
band, sex and skin in that domain: 1 is the same picture, 0 an impostor.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.core.progress import Progress, Silence, reported
from engine.faces.descriptor import SMALLEST, describe_aligned, describe_face
from engine.faces.detect import Detection, FaceFinder
from engine.faces.fitting import resized
from engine.runtime.pool import in_processes

DLIB_NAME = "dlib 128-D"
Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
Group = TypeVar("Group", bound=Hashable)


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """Descriptors (n, 128), and (n,) whether dlib's detector found a face in the picture."""

    vectors: Vectors
    detected: NDArray[np.bool_]


class _Portrait(NamedTuple):
    row: int
    pixels: Pixels
    points: NDArray[np.floating] | None


def described(
    pictures: Pixels,
    points: NDArray[np.floating] | None = None,
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Described:
    """Describe (n, s, s, 3) uint8 RGB portraits, those under 256 px enlarged to that.

    The largest face that dlib detects is described, by the landmarks that dlib fits to it. Without
    a detection, the face of the true `points` (n, 68, 2) is described, or without those the one
    fitted where aligned faces are. MemoryError where a worker process dies.
    """
    progress = Silence() if progress is None else progress
    vectors, detected = np.empty((len(pictures), 128), np.float32), np.zeros(len(pictures), bool)
    portraits = (
        _Portrait(row, np.asarray(pictures[row]), None if points is None else points[row])
        for row in range(len(pictures))
    )
    with reported(progress, "Describing faces", len(pictures)):
        for outcome in in_processes(_describe, portraits, workers=workers):
            if outcome.result is None:
                raise MemoryError("a worker process that described faces died")
            vectors[outcome.item.row], detected[outcome.item.row] = outcome.result
            progress.advance()
    return Described(vectors, detected)


def _describe(portrait: _Portrait) -> tuple[Vectors, bool]:
    scale = max(SMALLEST / min(portrait.pixels.shape[:2]), 1.0)
    larger = resized(portrait.pixels, scale)
    # Portraits are upright, and each shows a face: a rotated detection would be a false positive,
    # and a second opinion would be wasted.
    faces = FaceFinder(Detection(rotations=False, min_flag=0)).find(larger, every=False)
    if faces:
        return describe_face(larger, faces[0]), True
    points = None if portrait.points is None else (portrait.points + 0.5) * scale - 0.5
    return describe_aligned(larger, points), False


class ImpostorDistances(NamedTuple):
    """The mean distance between different people of one group, with people and pairs."""

    distance: float
    people: int
    pairs: int


@dataclass(frozen=True, slots=True)
class ImpostorTable(Generic[Group]):
    """d0 by group; groups of fewer than two people have that of everyone."""

    groups: Mapping[Group, ImpostorDistances]
    everyone: ImpostorDistances

    @classmethod
    def of(
        cls, vectors: Vectors, people: NDArray[np.integer], groups: Sequence[Group]
    ) -> "ImpostorTable[Group]":
        """Measure d0 on truth renders: descriptors (n, 128), people (n,), a group for each."""
        everyone = _between(vectors, people)
        if everyone is None:
            raise ValueError("impostors need at least two people")
        rows: dict[Group, list[int]] = {}
        for row, group in enumerate(groups):
            rows.setdefault(group, []).append(row)
        by_group = {group: _between(vectors[own], people[own]) for group, own in rows.items()}
        return cls({g: one for g, one in by_group.items() if one is not None}, everyone)

    def distance(self, group: Group) -> float:
        """d0 of a group."""
        return self.groups.get(group, self.everyone).distance

    def identity(
        self, distances: NDArray[np.floating], groups: Sequence[Group]
    ) -> NDArray[np.float64]:
        """`1 - d/d0` of (n,) distances."""
        return 1 - np.asarray(distances, np.float64) / [self.distance(group) for group in groups]


def _between(vectors: Vectors, people: NDArray[np.integer]) -> ImpostorDistances | None:
    others = people[:, None] != people
    pairs = int(others.sum()) // 2
    if pairs == 0:
        return None
    return ImpostorDistances(
        float(pairwise(vectors, vectors)[others].mean()), len(set(people)), pairs
    )


def pairwise(one: Vectors, other: Vectors) -> NDArray[np.float64]:
    """Euclidean distances (n, m) between descriptors (n, 128) and (m, 128)."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0))
