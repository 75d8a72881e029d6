"""The material of an evaluation: photos, their portraits by each method, and the truth."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.faces.rotation import Pixels
from engine.inference.subject import Subject

Years = NDArray[np.float64]
NOTHING, COPIED, TRUTH = "nothing", "copied", "truth"
"""The controls: the unchanged photo, the nearest photo of the person, and the truth."""
MANY = 12
"""Target ages of photographs above which they are not shown age by age."""
LARGEST = 512
"""Side in px of the comparison at most: no evaluator uses more."""
SAME_AGE = 3.0
"""Years within which a photo counts as one of that age."""


class Task(NamedTuple):
    """A photo, by the SHA-256 of its file, and its target age in years."""

    source: str
    target: float


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A photo that was aged; its age in years, its person and sex are None where unknown."""

    subject: Subject
    age: float | None = None
    person: str | None = None
    sex: str | None = None
    """`female` or `male`."""
    most: int = LARGEST
    """Side in px that its face is shrunk to if it is larger."""

    @property
    def key(self) -> str:
        """The SHA-256 of its file."""
        return self.subject.sha256

    @property
    def name(self) -> str:
        """The stem of its file."""
        return self.subject.path.stem

    @property
    def side(self) -> int:
        """Side in px of its face as it was taken, at most 512."""
        return min(max(round(self.subject.quad.side), 1), LARGEST)

    def face(self, size: int | None = None) -> Pixels:
        """Its aligned face, (size, size, 3), as large as it was taken if no size is given."""
        if size is not None:
            return self.subject.face(size)
        return shrunk(self.subject.face(self.side), self.most)


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """The portraits of one method of ageing: uint8 RGB (s, s, 3) by task.

    A control ages nobody; it gives the figures a scale.
    """

    name: str
    portraits: Mapping[Task, Pixels]
    files: Mapping[Task, str] = field(default_factory=dict[Task, str])
    control: bool = False

    def shrunk(self, side: int) -> "Method":
        """The same with portraits of at most a side in px."""
        small = {task: shrunk(pixels, side) for task, pixels in self.portraits.items()}
        return replace(self, portraits=small)


@dataclass(frozen=True, slots=True, eq=False)
class PersonPhotos:
    """Aligned photos of one person, uint8 RGB each, with ages in years.

    train: (n,) which of them a model may have been trained on; the others are held out.
    """

    pictures: Sequence[Pixels]
    ages: Years
    names: Sequence[str]
    digests: Sequence[str]
    """SHA-256 of their files."""
    train: NDArray[np.bool_]

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest age of the training photos."""
        ages = self.ages[self.train]
        return float(ages.min()), float(ages.max())

    def extrapolation(self, age: float) -> float:
        """Years by which an age lies outside the span, 0 inside."""
        low, high = self.span
        return max(low - age, age - high, 0.0)

    def nearest(self, age: float) -> int:
        """The photo nearest in age, the first of several."""
        return int(np.abs(self.ages - age).argmin())

    def around(self, age: float, *, without: Collection[str] = ()) -> list[int]:
        """Photos within three years of an age, else those nearest to it.

        without: digests of photos that are left out.
        """
        rows = [row for row, digest in enumerate(self.digests) if digest not in without]
        if not rows:
            return []
        gaps = np.abs(self.ages[rows] - age)
        reach = max(SAME_AGE, float(gaps.min()))
        return [row for row, gap in zip(rows, gaps, strict=True) if gap <= reach]


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Everything that an evaluation needs.

    truth: the same photograph at the target age of a task, framed as the photo; impostors: aligned
    pictures of other people; estimated: photos whose target ages were estimated, by SHA-256;
    compared_at: side of the comparison, where it is not that of the smallest picture; reference:
    the folder of photographs that others are compared with, None where photos were aged.
    """

    name: str
    sources: Mapping[str, Source]
    methods: Sequence[Method]
    truth: Mapping[Task, Pixels] = field(default_factory=dict[Task, Pixels])
    photos: PersonPhotos | None = None
    impostors: Sequence[Pixels] = ()
    estimated: Collection[str] = frozenset()
    compared_at: int | None = None
    reference: str | None = None

    @property
    def tasks(self) -> list[Task]:
        """The tasks of all methods, sorted by the photo's age and name, then by target."""
        tasks = {task for method in self.methods for task in method.portraits}
        return sorted(tasks, key=lambda task: (*self._place(task.source), task.target))

    @property
    def by_pairs(self) -> bool:
        """Whether photographs of so many ages are compared that each has an age of its own."""
        return self.reference is not None and len({task.target for task in self.tasks}) > MANY

    @property
    def side(self) -> int:
        """Side in px of the comparison, at most 512: that of the smallest portrait or truth, unless
        another is given (smaller pictures stay as they are).
        """
        if self.compared_at is not None:
            return min(LARGEST, self.compared_at)
        portraits = (pixels for method in self.methods for pixels in method.portraits.values())
        return min(LARGEST, *map(len, (*portraits, *self.truth.values())))

    def at_one_side(self) -> "Material":
        """The same with every larger picture shrunk to the side of the comparison, so that a method
        is not penalised for its output size.
        """
        side, photos = self.side, self.photos
        if photos is not None:
            photos = replace(photos, pictures=[shrunk(one, side) for one in photos.pictures])
        return replace(
            self,
            sources={key: replace(source, most=side) for key, source in self.sources.items()},
            methods=[method.shrunk(side) for method in self.methods],
            truth={task: shrunk(pixels, side) for task, pixels in self.truth.items()},
            photos=photos,
            impostors=[shrunk(one, side) for one in self.impostors],
        )

    @property
    def people(self) -> int:
        """Number of people in the photos; photos of unknown people count as one person."""
        return len({source.person for source in self.sources.values()})

    @property
    def unnamed(self) -> int:
        """Number of photos of which nothing says whom they show."""
        return sum(source.person is None for source in self.sources.values())

    def gap(self, task: Task) -> float | None:
        """Years from the photo to the target."""
        age = self.sources[task.source].age
        return None if age is None else task.target - age

    def _place(self, source: str) -> tuple[float, str, str]:
        photo = self.sources[source]
        return (-1.0 if photo.age is None else photo.age, photo.name, source)


def at_side(pixels: Pixels, side: int) -> Pixels:
    """A picture at another side, averaged where it shrinks."""
    if len(pixels) == side:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR))


def shrunk(pixels: Pixels, side: int) -> Pixels:
    """A picture of at most a side in px: averaged down if it is larger, else as it is."""
    return at_side(pixels, min(side, len(pixels)))


def controls(material: Material) -> list[Method]:
    """The unchanged photo, the nearest photo of the person, and the truth, where known."""
    tasks = material.tasks
    faces = {key: source.face() for key, source in material.sources.items()}
    methods = [Method(NOTHING, {task: faces[task.source] for task in tasks}, control=True)]
    if material.photos is not None:
        photos = material.photos
        nearest = {task: photos.nearest(task.target) for task in tasks}
        methods.append(
            Method(
                COPIED,
                {task: photos.pictures[row] for task, row in nearest.items()},
                {task: photos.names[row] for task, row in nearest.items()},
                control=True,
            )
        )
    if material.truth:
        methods.append(Method(TRUTH, dict(material.truth), control=True))
    return methods


def merged(groups: Iterable[Mapping[str, Source]]) -> dict[str, Source]:
    """The photos of several methods, each once."""
    return {key: source for group in groups for key, source in group.items()}
