"""Folders of aligned faces with the labels that `tm relabel` wrote, or with ages alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from engine.core.atomic import written
from engine.core.digest import settings_digest
from engine.core.errors import InputError, PictureError, UsageError
from engine.core.places import cache_folder
from engine.core.progress import Progress, reported
from engine.data.ages import AgeSource
from engine.data.counterparts import Counterparts
from engine.data.labelled import LabelledFaces
from engine.data.labels import read_labels
from engine.data.manifest import MANIFEST, Row, adopt, read_manifest, read_manifest_file
from engine.data.splits import hash_fraction, held_out_one_in
from engine.images.ranges import to_tensors
from engine.training.photos import square_picture

HELD_OUT, MOST = 20, 200
"""One face in this many is held out to check by, and at most this many of them."""
Side = Literal["train", "test"]


class LabelledFile(NamedTuple):
    """A face's file, age and standard deviation in years, reliability in [0, 1], and person."""

    path: Path
    age: float
    spread: float
    reliability: float
    person: str


@dataclass(frozen=True, slots=True)
class FolderFaces:
    """One side of a folder: nobody stands on both, where the manifest names people.

    labels: what `tm relabel` wrote, its JSON or its manifest, without which every age of the
    folder's manifest or of a file's name is taken as right; weighted: whether reliability and
    spread count; audited: a label that the file was audited by is taken as right, where nothing
    spoke against it; enhanced: the picture that was enhanced from a face is taken, where the
    manifest names one.
    """

    folder: Path
    side: Side
    size: int
    labels: Path | None = None
    weighted: bool = True
    audited: bool = False
    enhanced: bool = False

    def load(self, progress: Progress) -> LabelledFaces:
        """Read them; unreadable ones are reported and left out. InputError if none is left."""
        every = labelled_files(
            self.folder, self.labels, audited=self.audited, enhanced=self.enhanced
        )
        held_out = _held_out(every)
        found = [one for one in every if (one.path in held_out) == (self.side == "test")]
        if self.side == "test":
            found = found[:MOST]
        pictures, kept = _pictures(found, self.size, progress)
        if not kept:
            raise InputError(
                f"`{self.folder}` has no readable face on the {self.side} side",
                hint="faces must be squares, with an age in their name, manifest or labels",
            )
        sure = self.weighted
        return LabelledFaces(
            pictures=lambda rows: to_tensors(pictures[rows.numpy()]),
            ages=np.asarray([one.age for one in kept], np.float32),
            spread=np.asarray([one.spread if sure else 0 for one in kept], np.float32),
            reliability=np.asarray([one.reliability if sure else 1 for one in kept], np.float32),
            names=tuple(str(one.path) for one in kept),
        )


def labelled_files(
    folder: Path, labels: Path | None, *, audited: bool = False, enhanced: bool = False
) -> list[LabelledFile]:
    """The labelled faces of a folder in order of their paths; UsageError for faulty labels.

    A label belongs to the picture of its path, else to the one whose path ends like it whatever its
    format: labels of raw faces serve a folder of enhanced ones.
    """
    people = _people(folder)
    if labels is not None and labels.suffix.lower() == ".jsonl":
        return _paired(folder, labels, people, enhanced=enhanced)
    if enhanced:
        raise UsageError(
            "only a manifest names enhanced pictures",
            hint="`tm relabel --enhanced DIR` writes one: give it as `labels`",
        )
    counterparts = Counterparts(folder)
    if labels is None:
        rows = _rows(folder)
        entries = [(str(row.output), row.age, 0.0, 1.0) for row in rows if row.age is not None]
    else:
        entries = _relabelled(labels, audited=audited)
    files: list[LabelledFile] = []
    for name, age, spread, reliability in entries:
        path = _place(name, folder, labels) or counterparts.of(name)
        if path is not None:
            person = people.get(path.name) or path.name
            files.append(LabelledFile(path, age, spread, reliability, person))
    if not files:
        raise InputError(f"none of the labels belongs to a picture in `{folder}`")
    return sorted(files)


def _paired(
    folder: Path, manifest: Path, people: dict[str, str], *, enhanced: bool
) -> list[LabelledFile]:
    """The faces of a manifest of `tm relabel`, or the pictures enhanced from them."""
    homes = [folder.resolve(), manifest.parent.resolve()]
    files: list[LabelledFile] = []
    for row in read_manifest_file(manifest):
        extra = row.model_extra or {}
        chosen = extra.get("enhanced") if enhanced and extra.get("enhanced") else row.output
        path = manifest.parent / str(chosen)
        if row.age is None or not path.is_file():
            continue
        if not any(home in path.resolve().parents for home in homes):
            raise UsageError(
                f"`{manifest}` names `{chosen}`, which is neither in `{folder}` nor below it"
            )
        spread, reliability = _number(extra, "age_std", 0.0), _number(extra, "reliability", 1.0)
        person = row.person or people.get(Path(str(row.output)).name) or _person_of(row)
        files.append(LabelledFile(path, row.age, spread, reliability, person))
    if not files:
        raise InputError(f"`{manifest}` names no face that is here")
    return sorted(files)


def _person_of(row: Row) -> str:
    """Raw and enhanced faces fall on the same side, whichever is taken."""
    return Path(str(row.output)).stem


def _number(row: Mapping[str, Any], key: str, default: float) -> float:
    value = row.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise UsageError(f"`{key}` of a row of the manifest is no number: {value!r}")
    return float(value)


def _relabelled(path: Path, *, audited: bool) -> list[tuple[str, float, float, float]]:
    """Source, age, standard deviation and reliability of every label that is kept."""
    kept = {
        name if label.source is None else label.source: label
        for name, label in read_labels(path).items()
        if label.keep and label.age is not None
    }
    if audited and all(label.label is None for label in kept.values()):
        raise UsageError(
            f"`{path}` holds no labels that were audited",
            hint="`tm relabel --labels` audits ages in years",
        )
    rows: list[tuple[str, float, float, float]] = []
    for name, label in kept.items():
        if audited and label.label is not None:
            rows.append((name, label.label, 0.0, 1.0))
        elif label.age is not None and label.age_std is not None:
            rows.append((name, label.age, label.age_std, label.reliability))
    return rows


def _place(name: str, folder: Path, labels: Path | None) -> Path | None:
    """Where the picture of a label is: seen from the labels, or from the folder."""
    seats = [folder / name, folder / Path(name).name]
    if labels is not None:
        seats.insert(0, labels.parent / name)
    home = folder.resolve()
    inside = (seat for seat in seats if seat.is_file() and home in seat.resolve().parents)
    return next(inside, None)


def _rows(folder: Path) -> Sequence[Any]:
    if not (folder / MANIFEST).is_file():
        return adopt(folder, AgeSource())
    return [row for row in read_manifest(folder) if row.usable and row.output]


def _people(folder: Path) -> dict[str, str]:
    if not (folder / MANIFEST).is_file():
        return {}
    rows = read_manifest(folder)
    return {Path(row.output).name: row.person for row in rows if row.output and row.person}


def _held_out(labels: Sequence[LabelledFile]) -> set[Path]:
    """The pictures to check by, by a digest of the person: a folder that grows keeps its sides.

    Where that is nobody or everybody, as in a folder of one person, by a digest of the picture.
    """
    people = {one.path for one in labels if held_out_one_in(one.person, HELD_OUT)}
    if 0 < len(people) < len(labels):
        return people
    order = sorted(labels, key=lambda one: hash_fraction(one.path.name))
    return {one.path for one in order[: max(len(order) // HELD_OUT, min(1, len(order) - 1))]}


def _pictures(
    labels: Sequence[LabelledFile], size: int, progress: Progress
) -> tuple[np.ndarray, list[LabelledFile]]:
    """Pictures (n, size, size, 3) mapped from the disk, read once, and the labels they have."""
    stamps = [(str(one.path.resolve()), one.path.stat().st_mtime_ns) for one in labels]
    folder = cache_folder() / "faces"
    file = folder / f"{settings_digest({'size': size, 'faces': stamps})}.npz"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        read, rows = list[np.ndarray](), list[int]()
        with reported(progress, "Reading faces", len(labels)):
            for row, one in enumerate(labels):
                try:
                    read.append(square_picture(one.path, size))
                    rows.append(row)
                except PictureError as error:
                    progress.remark(f"`{one.path}` {error.reason}: left out")
                progress.advance(one.path.name)
        pictures = np.stack(read) if read else np.empty((0, size, size, 3), np.uint8)
        with written(file.with_suffix(".npy")) as out:
            np.save(out, pictures)
        with written(file) as out:
            np.savez(out, rows=np.asarray(rows, np.int64))
    with np.load(file) as kept:
        chosen = [labels[row] for row in kept["rows"].tolist()]
    return np.load(file.with_suffix(".npy"), mmap_mode="r"), chosen
