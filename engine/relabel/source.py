"""The pictures to relabel, each under a name of its own, and the reference labels beside them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.core.errors import InputError, UsageError
from engine.core.regular import printable, real
from engine.data.ages import read_age_csv
from engine.data.csv_table import PATH_COLUMNS, read_csv
from engine.data.ffhq_aging import FfhqAging, is_ffhq_aging, read_ffhq_aging
from engine.data.manifest import MANIFEST, Row, read_manifest_file
from engine.images.naming import stems
from engine.images.reading import find_pictures


@dataclass(frozen=True, slots=True)
class Job:
    """One picture: its id in the labels, its file, and its person where that is known."""

    name: str
    path: Path
    person: str | None = None
    aligned: bool | None = None
    """Whether its manifest says that it is an aligned face; None without a manifest."""


@dataclass(frozen=True, slots=True)
class ReferenceLabels:
    """Existing labels: ages in years by path or name, or FFHQ-Aging's rows by picture number."""

    path: Path
    ages: Mapping[str, float] = field(default_factory=dict[str, float])
    groups: Mapping[int, FfhqAging] = field(default_factory=dict[int, FfhqAging])

    def age_of(self, job: Job) -> float | None:
        """The labelled age in years; paths go before names, names before stems."""
        for key in (real(job.path).as_posix(), job.name, job.path.name, job.path.stem):
            if key in self.ages:
                return self.ages[key]
        return None

    def group_of(self, job: Job) -> FfhqAging | None:
        """FFHQ-Aging's row for a picture, whose stem is its number."""
        stem = job.path.stem
        return self.groups.get(int(stem)) if stem.isdecimal() else None


def jobs_of(source: Path) -> list[Job]:
    """The pictures of a folder, of a manifest (`.jsonl`, `.csv`), or one picture, by name.

    UsageError for a source that does not exist, InputError for one without pictures.
    """
    if not source.exists():
        raise UsageError(f"`{source}` does not exist")
    if source.is_dir() and (source / MANIFEST).is_file():
        jobs = _from_rows(read_manifest_file(source / MANIFEST), source)
    elif source.suffix.lower() == ".jsonl":
        jobs = _from_rows(read_manifest_file(source), source.parent)
    elif source.suffix.lower() == ".csv":
        jobs = _named(_listed(source), source.parent)
    else:
        pictures = find_pictures(source)
        if not pictures.entries:
            raise InputError(f"nothing to relabel in `{source}`: {pictures.explanation}")
        jobs = _named(dict.fromkeys(pictures.entries, (None, None)), source)
    if not jobs:
        raise InputError(f"nothing to relabel: `{source}` lists no usable picture")
    return sorted(jobs, key=lambda job: job.name)


def read_reference_labels(path: Path) -> ReferenceLabels:
    """Labels from a CSV with `path` and `age`, a manifest or its folder, or FFHQ-Aging's table."""
    if path.is_dir():
        path = path / MANIFEST
    if not path.is_file():
        raise UsageError(f"the labels in `{path}` cannot be read: there is no such file")
    folder = real(path.parent)
    if path.suffix.lower() == ".jsonl":
        ages = {
            real(folder / row.output).as_posix(): row.age
            for row in read_manifest_file(path)
            if row.output is not None and row.age is not None
        }
        return ReferenceLabels(path, ages)
    if is_ffhq_aging(path):
        return ReferenceLabels(path, groups=read_ffhq_aging(path))
    ages = read_age_csv(path)
    by_stem = {Path(name).with_suffix("").as_posix(): age for name, age in ages.items()}
    by_path = {real(folder / name).as_posix(): age for name, age in ages.items()}
    return ReferenceLabels(path, {**by_stem, **ages, **by_path})


def _from_rows(rows: Iterable[Row], folder: Path) -> list[Job]:
    pictures = {
        folder / row.output: (row.person, _aligned(row))
        for row in rows
        if row.usable and row.output is not None
    }
    return _named(pictures, folder)


def _named(pictures: Mapping[Path, tuple[str | None, bool | None]], folder: Path) -> list[Job]:
    inside = folder if folder.is_dir() else folder.parent
    names = stems([path for path in pictures if path.is_relative_to(inside)], inside)
    return [
        Job(printable((names.get(path) or path.with_suffix("")).as_posix()), path, *of)
        for path, of in pictures.items()
    ]


def _aligned(row: Row) -> bool:
    """Cut by `tm prep align`, or rendered in the aligned frame."""
    return row.quad is not None or (row.truth is not None and not row.truth.get("unaligned"))


def _listed(path: Path) -> dict[Path, tuple[str | None, bool | None]]:
    table = read_csv(path, "the manifest")
    column = table.path_column
    if column is None:
        raise UsageError(f"`{path}` needs a column named one of {', '.join(PATH_COLUMNS)}")
    return {
        path.parent / row[column]: (row.get("person"), None) for _, row in table.rows if row[column]
    }
