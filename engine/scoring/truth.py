"""Ground truth: the same photographs at other ages, as rendered."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from engine.core.digest import file_sha256
from engine.core.errors import InputError, PictureError, UsageError
from engine.data.manifest import MANIFEST, Row, read_manifest
from engine.faces.rotation import Pixels
from engine.images.reading import read_picture
from engine.scoring.material import Source, Task

HINT = "the truth is one photograph at several ages: `tm prep synth --same-scene`"
TOLERANCE = 0.5
"""Years between a target and the age of its truth at most."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph at several ages: files by age in years, and the digests of all of them."""

    person: str | None
    files: Mapping[float, Path]
    digests: frozenset[str]

    def at(self, age: float) -> Path | None:
        """The picture of an age, None without one."""
        nearest = min(self.files, key=lambda known: abs(known - age))
        return self.files[nearest] if abs(nearest - age) <= TOLERANCE else None


def read_photographs(place: Path) -> list[Photograph]:
    """The photographs of a folder, or of its manifest; InputError for two pictures of an age.

    The manifest is required: it has the scene that pictures of one photograph share.
    """
    folder = place.parent if place.name == MANIFEST else place
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is no folder")
    if not (folder / MANIFEST).is_file():
        raise InputError(
            f"`{folder}` has no {MANIFEST}, which groups the pictures of one photograph", hint=HINT
        )
    groups: dict[tuple[str | None, str], list[Row]] = {}
    for row in read_manifest(folder):
        if row.usable and row.output is not None and row.age is not None:
            scene = str((row.truth or {}).get("scene"))
            groups.setdefault((row.person, scene), []).append(row)
    if not groups:
        raise InputError(f"`{folder}` has no picture whose age is known")
    return [_photograph(folder, person, rows) for (person, _), rows in groups.items()]


def with_truth(
    sources: Mapping[str, Source], photographs: Iterable[Photograph], targets: Iterable[Task]
) -> tuple[dict[str, Source], dict[Task, Pixels]]:
    """Each photo with its person, and the truth of each task, framed as the photo.

    A photo belongs to the photograph that has its digest, or to the only one. InputError where no
    task has a truth.
    """
    known = list(photographs)
    named: dict[str, Source] = {}
    photograph_of: dict[str, Photograph] = {}
    for key, source in sources.items():
        own = [one for one in known if key in one.digests]
        if not own and len(known) == 1:
            own = known
        named[key] = source if not own else replace(source, person=own[0].person)
        if own:
            photograph_of[key] = own[0]
    truth: dict[Task, Pixels] = {}
    for task in targets:
        path = photograph_of[task.source].at(task.target) if task.source in photograph_of else None
        if path is not None:
            truth[task] = named[task.source].subject.framed(_opened(path))
    if not truth:
        raise InputError("the truth has no picture of any photo at any target age")
    return named, truth


def _photograph(folder: Path, person: str | None, rows: list[Row]) -> Photograph:
    files: dict[float, Path] = {}
    for row in rows:
        assert row.age is not None
        if row.age in files:
            raise InputError(
                f"`{folder}` has two pictures of the age {row.age:g}",
                hint=HINT,
            )
        files[row.age] = folder / str(row.output)
    return Photograph(person, files, frozenset(file_sha256(path) for path in files.values()))


def _opened(path: Path) -> Pixels:
    try:
        return read_picture(path).pixels
    except PictureError as error:
        raise InputError(f"the truth `{path}` {error.reason}") from error
