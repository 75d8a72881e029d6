"""The very photographs at other ages, where a renderer knows them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from engine.core.digest import file_sha256
from engine.core.errors import InputError, PictureError, UsageError
from engine.data.manifest import MANIFEST, Row, read_manifest
from engine.faces.rotation import Pixels
from engine.images.reading import read_picture
from engine.scoring.material import Source, Task

RENDER = "the truth is one photograph at several ages: `tm prep synth --same-scene`"
NEAR = 0.5
"""Years by which a target may miss the age of its truth."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph at several ages: files by age in years, and the digests of all of them."""

    person: str | None
    files: Mapping[float, Path]
    digests: frozenset[str]

    def at(self, age: float) -> Path | None:
        """The picture of an age, if there is one."""
        near = min(self.files, key=lambda known: abs(known - age))
        return self.files[near] if abs(near - age) <= NEAR else None


def read_photographs(place: Path) -> list[Photograph]:
    """The photographs of a folder, or of its manifest; InputError where an age is told twice.

    Only a manifest tells which pictures are one photograph: names and ages cannot.
    """
    folder = place.parent if place.name == MANIFEST else place
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is no folder")
    if not (folder / MANIFEST).is_file():
        raise InputError(
            f"`{folder}` has no {MANIFEST}, which tells the pictures of one photograph", hint=RENDER
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
    """Give each photo its person and age, and each task its truth, framed as the photo was.

    A photo belongs to the photograph that it is a picture of, or to the only one there is.
    """
    known = list(photographs)
    told: dict[str, Source] = {}
    behind: dict[str, Photograph] = {}
    for key, source in sources.items():
        own = [one for one in known if key in one.digests]
        if not own and len(known) == 1:
            own = known
        told[key] = source if not own else replace(source, person=own[0].person)
        if own:
            behind[key] = own[0]
    truth: dict[Task, Pixels] = {}
    for task in targets:
        path = behind[task.source].at(task.target) if task.source in behind else None
        if path is not None:
            truth[task] = told[task.source].subject.framed(_opened(path))
    if not truth:
        raise InputError("the truth has no picture of any photo at any age asked for")
    return told, truth


def _photograph(folder: Path, person: str | None, rows: list[Row]) -> Photograph:
    files: dict[float, Path] = {}
    for row in rows:
        assert row.age is not None
        if row.age in files:
            raise InputError(
                f"`{folder}` has two pictures of the age {row.age:g}",
                hint=RENDER,
            )
        files[row.age] = folder / str(row.output)
    return Photograph(person, files, frozenset(file_sha256(path) for path in files.values()))


def _opened(path: Path) -> Pixels:
    try:
        return read_picture(path).pixels
    except PictureError as error:
        raise InputError(f"the truth `{path}` {error.reason}") from error
