"""Folders of photographs as material: each is compared with one of the same person, or of its name.

No results of `tm infer` are needed: photographs of two years, or pictures that another program
made of the first folder.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from statistics import median
from typing import NamedTuple

from engine.core.errors import InputError, PictureError
from engine.core.progress import Progress, reported
from engine.data.faces import FaceSource
from engine.evaluators.suite import EvaluatorSuite
from engine.faces.choose import FaceChoice
from engine.faces.rotation import Pixels
from engine.geometry.ffhq import Quad
from engine.images.reading import find_pictures
from engine.inference.subject import Subject, aligned_subject, find_subject
from engine.runtime.pool import PICTURE_LIMIT, in_processes
from engine.scoring.facts import AGED, KnownFacts
from engine.scoring.material import LARGEST, Material, Method, Source, Task

SMALLEST = 48
"""Side in px of an aligned face under which a photograph is left out."""
DIGITS = 2
"""Decimals of target ages."""
UNKNOWN = -1.0
"""A target age that nothing says."""
PARALLEL_FROM = 8
"""Photographs from which several processes are faster than one."""


class Unused(NamedTuple):
    """A picture that is left out, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class PhotoSet:
    """The faces of one folder by their paths in it, and what is left out."""

    folder: Path
    sources: dict[str, Source]
    unused: list[Unused]


class _Job(NamedTuple):
    path: Path
    aligned: bool


class _FaceOrReason(NamedTuple):
    """The aligned face of a photograph (s, s, 3) with the digest of its file, or why not."""

    sha256: str = ""
    face: Pixels | None = None
    reason: str | None = None


def read_photo_set(
    folder: Path, known: KnownFacts, progress: Progress, *, workers: int = 1
) -> PhotoSet:
    """Find the largest face of every photograph; InputError where none has a usable one."""
    listing = find_pictures(folder)
    if not listing.pictures:
        raise InputError(f"`{folder}` holds no photos: {listing.explanation}")
    facts = {path: known.of(path) for path in listing.pictures}
    faces: dict[Path, _FaceOrReason] = {}
    workers = workers if len(facts) >= PARALLEL_FROM else 1
    with reported(progress, f"Finding the faces of {folder.name}", len(facts)):
        jobs = [_Job(path, own.aligned) for path, own in facts.items()]
        for outcome in in_processes(_find, jobs, workers=workers, limit=PICTURE_LIMIT):
            died = _FaceOrReason(reason="ended the process that read it")
            faces[outcome.item.path] = outcome.result if outcome.result is not None else died
            progress.advance(outcome.item.path.name)
    sources: dict[str, Source] = {}
    unused: list[Unused] = []
    for path in facts:
        name, read = path.relative_to(folder).as_posix(), faces[path]
        if read.face is None:
            unused.append(Unused(name, str(read.reason)))
            continue
        # The face is kept without its photograph, of which thousands do not fit into the memory.
        subject = Subject(path, read.sha256, read.face, Quad.frame(*read.face.shape[:2]))
        own = facts[path]
        sources[name] = Source(subject, own.age, own.person, own.sex)
    if not sources:
        first = unused[0]
        raise InputError(f"`{folder}` has no usable face: `{first.file}` {first.reason}")
    return PhotoSet(folder, sources, unused)


def _find(job: _Job) -> _FaceOrReason:
    try:
        if job.aligned:
            subject = aligned_subject(job.path, FaceSource(), trusted=True)
        else:
            subject = find_subject(job.path, FaceChoice(), FaceSource())
    except PictureError as error:
        return _FaceOrReason(reason=error.reason)
    except OSError as error:
        return _FaceOrReason(reason=f"cannot be read: {error.strerror or error}")
    side = min(max(round(subject.quad.side), 1), LARGEST)
    if side < SMALLEST:
        return _FaceOrReason(reason=f"has a face of {side} px, {SMALLEST} are needed")
    return _FaceOrReason(subject.sha256, subject.face(side))


def paired_sets(first: PhotoSet, others: Sequence[tuple[str, PhotoSet]]) -> Material:
    """Every photograph of the others beside one of the first: the folders are methods by name.

    It belongs to one of its person where the person is known, of the same name or else the nearest
    in age; otherwise to that whose name it has, or begins with (`eve_age65` of `eve`). Its target
    is its own age, else that of the other (`UNKNOWN` where neither is known). InputError where
    nothing belongs together.
    """
    methods = [_method(name, photos, first) for name, photos in others]
    if not any(method.portraits for method in methods):
        raise InputError(
            f"no photograph belongs to one of `{first.folder}`",
            hint="give files of one person the same name, or a CSV by `--labels` with the columns "
            "`path` and `person`",
        )
    names = [first.folder.resolve().name, *(name for name, _ in others)]
    return _material(" and ".join(names), names[0], methods, first.sources.values())


def paired_within(photos: PhotoSet, name: str) -> Material:
    """Every photograph of a person beside the youngest one; InputError where nobody has two."""
    people: dict[str, list[str]] = {}
    for file, source in photos.sources.items():
        if source.person is not None:
            people.setdefault(source.person, []).append(file)
    pairs: list[tuple[str, Source]] = []
    for own in people.values():
        youngest, *older = sorted(own, key=lambda file: (_age(photos.sources[file]), file))
        pairs += [(file, photos.sources[youngest]) for file in older]
    if not pairs:
        raise InputError(
            f"`{photos.folder}` shows nobody twice, as far as is known",
            hint="give the folder that it is to be compared with, or a CSV by `--labels` with the "
            "columns `path` and `person`",
        )
    methods = [_paired(name, photos, pairs)]
    return _material(name, name, methods, [source for _, source in pairs])


def with_targets(material: Material, suite: EvaluatorSuite) -> Material:
    """Targets that are `UNKNOWN` are the age that the suite estimates of the photograph."""
    unknown = list(dict.fromkeys(t.source for t in material.tasks if t.target == UNKNOWN))
    if not unknown or suite.age_by is None:
        return material
    ages = suite.measure([material.sources[key].face() for key in unknown]).ages[suite.age_by]
    estimated = dict(zip(unknown, ages.round(1).tolist(), strict=True))

    def known(task: Task) -> Task:
        return Task(task.source, estimated[task.source]) if task.target == UNKNOWN else task

    methods = [
        replace(
            method,
            portraits={known(task): pixels for task, pixels in method.portraits.items()},
            files={known(task): file for task, file in method.files.items()},
        )
        for method in material.methods
    ]
    return replace(material, methods=methods, estimated=frozenset(unknown))


def _material(
    name: str, reference: str, methods: Sequence[Method], sources: Iterable[Source]
) -> Material:
    sides = [len(pixels) for method in methods for pixels in method.portraits.values()]
    used = {task.source for method in methods for task in method.portraits}
    kept = {source.key: source for source in sources if source.key in used}
    return Material(name, kept, methods, compared_at=int(median(sides)), reference=reference)


def _method(name: str, photos: PhotoSet, first: PhotoSet) -> Method:
    names = _Names(first)
    pairs: list[tuple[str, Source]] = []
    for file, portrait in photos.sources.items():
        source = names.belonging(file, portrait)
        if source is None:
            reason = f"belongs to no photograph of {first.folder.resolve().name}"
            photos.unused.append(Unused(file, reason))
        else:
            pairs.append((file, source))
    return _paired(name, photos, pairs)


def _paired(name: str, photos: PhotoSet, pairs: Iterable[tuple[str, Source]]) -> Method:
    portraits: dict[Task, Pixels] = {}
    files: dict[Task, str] = {}
    for file, source in pairs:
        portrait = photos.sources[file]
        ages = [age for age in (portrait.age, source.age) if age is not None]
        task = Task(source.key, round(ages[0], DIGITS) if ages else UNKNOWN)
        if task in files:
            photos.unused.append(Unused(file, f"is of the same age as `{files[task]}`"))
        else:
            portraits[task], files[task] = portrait.face(), file
    return Method(name, portraits, files)


class _Names:
    """The photographs of a folder by path, by name and by person."""

    def __init__(self, photos: PhotoSet) -> None:
        self.by_path = {_without_suffix(file): one for file, one in photos.sources.items()}
        self.by_stem: dict[str, list[Source]] = {}
        self.by_person: dict[str, list[Source]] = {}
        for file, source in photos.sources.items():
            self.by_stem.setdefault(Path(file).stem, []).append(source)
            if source.person is not None:
                self.by_person.setdefault(source.person, []).append(source)

    def belonging(self, file: str, portrait: Source) -> Source | None:
        """The photograph that a portrait belongs to; a name that two of them have is none."""
        named = self._named(file)
        if portrait.person is None or not self.by_person:
            return named
        own = self.by_person.get(portrait.person, [])
        if named in own:
            return named
        return min(own, key=lambda one: _gap(one, portrait), default=None)

    def _named(self, file: str) -> Source | None:
        if (path := _without_suffix(file)) in self.by_path:
            return self.by_path[path]
        aged = AGED.fullmatch(Path(file).stem)
        stems = [Path(file).stem, *([aged["photo"]] if aged is not None else [])]
        matches = next((self.by_stem[stem] for stem in stems if stem in self.by_stem), [])
        return matches[0] if len(matches) == 1 else None


def _without_suffix(file: str) -> str:
    return Path(file).with_suffix("").as_posix()


def _gap(one: Source, other: Source) -> float:
    return 0.0 if one.age is None or other.age is None else abs(one.age - other.age)


def _age(source: Source) -> float:
    return inf if source.age is None else source.age
