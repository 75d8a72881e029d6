"""Dated faces of a folder: their ages, how wrong these may be, and who they are.

Ages come from a table (a CSV, FFHQ-Aging's own, or the `labels.json` of `tm relabel`), else from
the manifest of the folder, else from names such as `30_11.jpg`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from engine.core.errors import InputError, UsageError
from engine.core.numbers import Span
from engine.core.table import Table
from engine.data.ages import age_in_name
from engine.data.csv_table import PATH_COLUMNS, read_csv
from engine.data.ffhq_aging import AttributeLimits, is_ffhq_aging, read_ffhq_aging
from engine.data.manifest import MANIFEST, read_manifest
from engine.data.splits import hash_fraction, held_out
from engine.images.reading import find_pictures
from engine.trainings.agetransformer.labelled import labelled_files

ERROR_COLUMNS = ("age_error", "age_std")
"""Columns with the standard deviation of an age, in years."""
SEXES = {"M": 1.0, "F": -1.0, "male": 1.0, "female": -1.0}
OLDEST_GROUP = 90
"""Where FFHQ-Aging's last group ends for practical purposes; its table says 120."""
BIN, DECADE = 5.0, 10
"""Years of the age bins from which faces are taken in turn."""


class CodeLabels(Table):
    """From which column the appearance code is learned."""

    column: str = "sex"
    """Without it, the code is the first principal component of the faces."""
    values: dict[str, float] = Field(default_factory=lambda: dict(SEXES))
    """What its cells stand for; a face with another cell is left out."""


class Selection(Table):
    """Which faces of the folder are used."""

    where: dict[str, str] = Field(default_factory=dict[str, str])
    """Patterns such as `split = "train"` or `path = "2015/*"` that columns must match."""
    ages: Span = Span(18, 100)
    most: int = Field(default=2000, ge=2)
    """Faces used, taken in turn from all ages; 0.4 MB of memory each."""
    smallest: float = Field(default=16.0, gt=0)
    """Pixels between the eyes that a face needs."""
    most_turned: float = Field(default=35.0, gt=0, le=90)
    """Degrees of yaw that a face may have."""


@dataclass(frozen=True, slots=True)
class DatedFace:
    """A picture with the age in it; error: its standard deviation in years; label: of the code."""

    path: Path
    age: float
    error: float
    person: str
    label: float | None


@dataclass(frozen=True, slots=True)
class DatedFaces:
    """The faces in order of their paths, and lines on those that were left out."""

    faces: Sequence[DatedFace]
    remarks: Sequence[str]

    @property
    def labelled(self) -> bool:
        """Whether the faces have labels of the appearance code."""
        return all(face.label is not None for face in self.faces)

    @property
    def by_decade(self) -> str:
        """How many faces of which ages there are, in a line."""
        decades: dict[int, int] = {}
        for face in self.faces:
            decade = int(face.age // DECADE) * DECADE
            decades[decade] = decades.get(decade, 0) + 1
        ages = ", ".join(f"{count} in their {decade}s" for decade, count in sorted(decades.items()))
        return f"{len(self.faces)} dated faces: {ages}"


class _Entry(NamedTuple):
    """A row of a table; age: None where it has none."""

    path: Path
    age: float | None
    error: float
    cells: Mapping[str, str]


def dated_faces(
    folder: Path, table: Path | None, selection: Selection, labels: CodeLabels
) -> DatedFaces:
    """List the dated faces of a folder; reads no picture.

    table: CSV or `labels.json`. UsageError for a faulty one, InputError if no face is left.
    """
    entries = sorted(_entries(folder, table), key=lambda entry: entry.path.as_posix())
    _require_columns(entries, selection.where, folder if table is None else table)
    coded = any(labels.column in entry.cells for entry in entries)
    left_out: dict[str, int] = {}
    faces: list[DatedFace] = []
    for entry in entries:
        if not all(_matches(entry, folder, *pattern) for pattern in selection.where.items()):
            continue
        label = labels.values.get(entry.cells.get(labels.column, "")) if coded else None
        reason = _fault(entry, selection, label if coded else 0.0)
        if reason is not None:
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        assert entry.age is not None
        person = entry.cells.get("person") or entry.path.as_posix()
        faces.append(DatedFace(entry.path, entry.age, entry.error, person, label))
    if not faces:
        raise InputError(
            f"`{folder}` has no face with a usable age",
            hint="name pictures `30_11.png`, prepare them with `tm prep align --ages`, or give a "
            "table by `labels`",
        )
    remarks = [f"{count} pictures left out: {reason}" for reason, count in left_out.items()]
    chosen = _in_turn(faces, selection.most)
    if len(chosen) < len(faces):
        remarks.append(f"{len(chosen)} of {len(faces)} faces are used, taken in turn from all ages")
    return DatedFaces(chosen, remarks)


def is_validation(face: DatedFace, share: float) -> bool:
    """Whether a face belongs to the held-out share of people, by a digest of the person."""
    return held_out(face.person, share)


def _entries(folder: Path, table: Path | None) -> Iterator[_Entry]:
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is not a folder of photos")
    if table is None:
        yield from _of_manifest(folder) if (folder / MANIFEST).is_file() else _of_names(folder)
    elif not table.is_file():
        raise UsageError(f"`{table}` does not exist")
    elif table.suffix.lower() == ".json":
        for one in labelled_files(folder, table):
            yield _Entry(one.path, one.age, one.spread, {"person": one.person})
    elif is_ffhq_aging(table):
        yield from _of_ffhq_aging(folder, table)
    else:
        yield from _of_csv(folder, table)


def _of_manifest(folder: Path) -> Iterator[_Entry]:
    for row in read_manifest(folder):
        if row.usable and row.output:
            cells = {key: str(value) for key, value in row.dump().items() if value is not None}
            yield _Entry(folder / row.output, row.age, _error(cells, folder / MANIFEST), cells)


def _of_names(folder: Path) -> Iterator[_Entry]:
    for path in find_pictures(folder).pictures:
        yield _Entry(path, age_in_name(path.name), 0.0, {})


def _of_csv(folder: Path, path: Path) -> Iterator[_Entry]:
    table = read_csv(path, "the table")
    column = table.path_column
    if column is None or "age" not in table.columns:
        raise UsageError(
            f"`{path}` needs a column `age` and one of {', '.join(PATH_COLUMNS)}",
            hint="its first line names the columns, such as `path,age,age_error,person`",
        )
    for line, cells in table.rows:
        age = _number(cells["age"], f"line {line} of `{path}`") if cells["age"] else None
        error = _error(cells, f"line {line} of `{path}`")
        yield _Entry(_inside(folder, cells[column]), age, error, cells)


def _of_ffhq_aging(folder: Path, path: Path) -> Iterator[_Entry]:
    """Each group stands for its middle, with the deviation of evenly spread ages."""
    pictures = {p.stem.lstrip("0") or "0": p for p in find_pictures(folder).pictures}
    limits = AttributeLimits()
    for number, row in read_ffhq_aging(path).items():
        picture = pictures.get(str(number))
        if picture is not None and not limits.faults(row):
            low, high = row.years[0], min(row.years[1], OLDEST_GROUP) + 1
            cells = {"sex": row.gender or "", "group": str(row.group)}
            yield _Entry(picture, (low + high) / 2, (high - low) / 12**0.5, cells)


def _inside(folder: Path, name: str) -> Path:
    """A file of the table within the folder, wherever the name leads."""
    path = folder / name
    home = folder.resolve()
    return path if home in path.resolve().parents else folder / Path(name).name


def _require_columns(entries: Sequence[_Entry], where: Mapping[str, str], source: Path) -> None:
    known = {"path", *(name for entry in entries for name in entry.cells)}
    for name in where:
        if name not in known:
            raise UsageError(
                f"`where` asks for the column `{name}`, which `{source}` does not have",
                hint=f"known: {', '.join(sorted(known)[:12])}",
            )


def _matches(entry: _Entry, folder: Path, column: str, pattern: str) -> bool:
    if column == "path":
        return fnmatchcase(entry.path.relative_to(folder).as_posix(), pattern)
    return fnmatchcase(entry.cells.get(column, ""), pattern)


def _fault(entry: _Entry, selection: Selection, label: float | None) -> str | None:
    """Why a picture is left out; None if it is used."""
    if entry.age is None:
        return "no age"
    if entry.age not in selection.ages:
        return f"an age outside {selection.ages}"
    if label is None:
        return "no label of the appearance code"
    return None if entry.path.is_file() else "no such file"


def _in_turn(faces: Sequence[DatedFace], most: int) -> list[DatedFace]:
    """Up to `most` faces: the first of every bin of ages, then the second, and so on."""
    ranks: dict[int, int] = {}
    ranked: list[tuple[int, DatedFace]] = []
    for face in sorted(faces, key=lambda face: hash_fraction(face.path.name)):
        place = int(face.age // BIN)
        ranks[place] = ranks.get(place, -1) + 1
        ranked.append((ranks[place], face))
    chosen = sorted(ranked, key=lambda one: one[0])[:most]
    return sorted((face for _, face in chosen), key=lambda face: face.path.as_posix())


def _error(cells: Mapping[str, str], where: object) -> float:
    for name in ERROR_COLUMNS:
        if cells.get(name):
            return _number(cells[name], str(where))
    return 0.0


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not isfinite(value) or value < 0:
        raise UsageError(f"{where}: `{text}` is no number of years")
    return value
