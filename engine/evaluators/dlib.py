"""Identity as the contract defines it: `1 - d/d0` by dlib's 128-D descriptor.

d is the distance to the reference, d0 the mean distance between different people of the same age
band, sex and skin in that domain: 1 is the same picture, 0 a stranger.
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

JUDGE = "dlib 128-D"
Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
Group = TypeVar("Group", bound=Hashable)


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """Descriptors (n, 128), and (n,) in which pictures dlib found a face by itself."""

    vectors: Vectors
    found: NDArray[np.bool_]


class _Look(NamedTuple):
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

    Where dlib finds a face, its largest is described by the points dlib fits to it. Where it finds
    none, the face of the true `points` (n, 68, 2) is described, or without those the one fitted
    where aligned faces are; `found` counts these.
    """
    progress = Silence() if progress is None else progress
    vectors, found = np.empty((len(pictures), 128), np.float32), np.zeros(len(pictures), bool)
    looks = (
        _Look(row, np.asarray(pictures[row]), None if points is None else points[row])
        for row in range(len(pictures))
    )
    with reported(progress, "Describing faces", len(pictures)):
        for outcome in in_processes(_describe, looks, workers=workers):
            if outcome.result is None:
                raise MemoryError("a process that described faces died")
            vectors[outcome.item.row], found[outcome.item.row] = outcome.result
            progress.advance()
    return Described(vectors, found)


def _describe(look: _Look) -> tuple[Vectors, bool]:
    scale = max(SMALLEST / min(look.pixels.shape[:2]), 1.0)
    larger = resized(look.pixels, scale)
    # Portraits stand upright, and a face found lying would be no face of theirs.
    faces = FaceFinder(Detection(rotations=False)).find(larger, every=False)
    if faces:
        return describe_face(larger, faces[0]), True
    points = None if look.points is None else (look.points + 0.5) * scale - 0.5
    return describe_aligned(larger, points), False


class ImpostorDistances(NamedTuple):
    """The mean distance between different people of one group, and how many stand behind it."""

    distance: float
    people: int
    pairs: int


@dataclass(frozen=True, slots=True)
class ImpostorTable(Generic[Group]):
    """d0 by group, and of everyone for groups that hold fewer than two people."""

    groups: Mapping[Group, ImpostorDistances]
    everyone: ImpostorDistances

    @classmethod
    def of(
        cls, vectors: Vectors, people: NDArray[np.integer], groups: Sequence[Group]
    ) -> "ImpostorTable[Group]":
        """Measure d0 on truth renders: descriptors (n, 128), people (n,), a group for each."""
        everyone = _between(vectors, people)
        if everyone is None:
            raise ValueError("strangers need at least two people")
        rows: dict[Group, list[int]] = {}
        for row, group in enumerate(groups):
            rows.setdefault(group, []).append(row)
        found = {group: _between(vectors[own], people[own]) for group, own in rows.items()}
        return cls({g: told for g, told in found.items() if told is not None}, everyone)

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
