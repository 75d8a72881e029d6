"""What is to be relabelled: the pictures of a folder or of a manifest, each with its own name."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from engine.core.errors import InputError, UsageError
from engine.core.ledger import read_rows
from engine.data.ages import PATH_COLUMNS, read_age_csv
from engine.data.ffhq_aging import FfhqAging, is_ffhq_aging, read_ffhq_aging
from engine.data.manifest import MANIFEST, Row, read_manifest
from engine.images.naming import stems
from engine.images.reading import find_pictures


@dataclass(frozen=True, slots=True)
class Job:
    """A picture: its name in the labels, where it is, and whose it is where that is known."""

    name: str
    path: Path
    person: str | None = None
    aligned: bool | None = None
    """Whether its manifest says that it is an aligned face; None where there is none."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What others say of the pictures: ages by path or name, or FFHQ-Aging's rows by number."""

    path: Path
    ages: Mapping[str, float] = field(default_factory=dict[str, float])
    groups: Mapping[int, FfhqAging] = field(default_factory=dict[int, FfhqAging])

    def age_of(self, job: Job) -> float | None:
        """The age in years that is told of a picture; paths go before names, names before stems."""
        for key in (job.path.resolve().as_posix(), job.name, job.path.name, job.path.stem):
            if key in self.ages:
                return self.ages[key]
        return None

    def group_of(self, job: Job) -> FfhqAging | None:
        """The row of FFHQ-Aging that is about a picture, which is named by its number."""
        stem = job.path.stem
        return self.groups.get(int(stem)) if stem.isdecimal() else None


def jobs_of(source: Path) -> list[Job]:
    """The pictures of a folder, of a manifest (its own or `.jsonl`, `.csv`), or one picture.

    In order of name; InputError explains an empty source.
    """
    if not source.exists():
        raise UsageError(f"`{source}` does not exist")
    if source.is_dir() and (source / MANIFEST).is_file():
        jobs = _of_rows(read_manifest(source), source)
    elif source.suffix.lower() == ".jsonl":
        jobs = _of_rows(_rows(source), source.parent)
    elif source.suffix.lower() == ".csv":
        jobs = _named(_listed(source), source.parent)
    else:
        found = find_pictures(source)
        if not found.pictures:
            raise InputError(f"nothing to relabel in `{source}`: {found.explanation}")
        jobs = _named(dict.fromkeys(found.pictures, (None, None)), source)
    if not jobs:
        raise InputError(f"nothing to relabel: `{source}` lists no usable picture")
    return sorted(jobs, key=lambda job: job.name)


def read_labels(path: Path) -> Labels:
    """Ages from a CSV with `path` and `age`, from a manifest or the folder it stands in, or groups
    from FFHQ-Aging's table.
    """
    if path.is_dir():
        path = path / MANIFEST
    if not path.is_file():
        raise UsageError(f"the labels in `{path}` cannot be read: there is no such file")
    folder = path.parent.resolve()
    if path.suffix.lower() == ".jsonl":
        told = {row.output: row.age for row in _rows(path) if row.output is not None}
        return Labels(
            path,
            {
                (folder / name).resolve().as_posix(): age
                for name, age in told.items()
                if age is not None
            },
        )
    if is_ffhq_aging(path):
        return Labels(path, groups=read_ffhq_aging(path))
    ages = read_age_csv(path)
    named = {Path(name).with_suffix("").as_posix(): age for name, age in ages.items()}
    placed = {(folder / name).resolve().as_posix(): age for name, age in ages.items()}
    return Labels(path, {**named, **ages, **placed})


def _rows(path: Path) -> list[Row]:
    try:
        return [Row.model_validate(row) for row in read_rows(path)]
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise UsageError(f"`{path}` is damaged: {place}: {fault['msg']}") from None


def _of_rows(rows: Iterable[Row], folder: Path) -> list[Job]:
    told = {
        folder / row.output: (row.person, _aligned(row))
        for row in rows
        if row.usable and row.output is not None
    }
    return _named(told, folder)


def _named(told: Mapping[Path, tuple[str | None, bool | None]], folder: Path) -> list[Job]:
    inside = folder if folder.is_dir() else folder.parent
    named = stems([path for path in told if path.is_relative_to(inside)], inside)
    return [
        Job(named[path].as_posix() if path in named else path.with_suffix("").as_posix(), path, *of)
        for path, of in told.items()
    ]


def _aligned(row: Row) -> bool:
    """What `tm prep align` cut, and what was rendered as if it had been."""
    return row.quad is not None or (row.truth is not None and not row.truth.get("unaligned"))


def _listed(path: Path) -> dict[Path, tuple[str | None, bool | None]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the manifest `{path}` cannot be read: {error}") from None
    rows = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    columns = {name.strip().lower(): name for name in rows.fieldnames or []}
    named = next((columns[name] for name in PATH_COLUMNS if name in columns), None)
    if named is None:
        raise UsageError(f"`{path}` needs a column named one of {', '.join(PATH_COLUMNS)}")
    person = columns.get("person")
    return {
        path.parent / row[named].strip(): (row[person] if person is not None else None, None)
        for row in rows
        if row[named]
    }
