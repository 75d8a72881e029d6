"""Which pictures of a prepared folder are worth learning from; nothing is ever deleted."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import Field

from engine.core.atomic import written
from engine.core.digest import file_sha256
from engine.core.errors import InputError, PictureError, UsageError
from engine.core.ledger import Ledger
from engine.core.lock import locked
from engine.core.progress import Progress, reported
from engine.core.table import Table
from engine.data.ages import AgeSource
from engine.data.manifest import Row, adopt, ledger_of, read_manifest, seen_from
from engine.faces.descriptor import describe_aligned
from engine.faces.duplicates import best_first, dhash, kept_by_descriptor, kept_by_hash
from engine.faces.outliers import find_impostors
from engine.faces.quality import QualityLimits, Scores, score_face, verdict
from engine.geometry.ffhq import Quad
from engine.images.reading import read_picture
from engine.runtime.pool import in_processes

MEGAPIXELS = 250.0


class Likeness(Table):
    """When two pictures are copies, and who is a stranger."""

    hash_distance: int = Field(default=4, ge=0, le=64)
    """Bits of 64 by which the dHash of a copy may differ."""
    descriptor_distance: float = Field(default=0.2, ge=0)
    """Distance of dlib descriptors within which two pictures that look alike are copies."""
    strangers: bool = True
    """Drop faces far from the centre of the person's; turn off for folders of many people."""


@dataclass(frozen=True, slots=True)
class FilterPlan:
    """A prepared folder, and by what its pictures are judged."""

    folder: Path
    limits: QualityLimits = QualityLimits()
    likeness: Likeness = Likeness()


def filter_folder(plan: FilterPlan, *, workers: int, progress: Progress) -> list[Row]:
    """Score every picture that is not scored yet, judge all of them, note it in the manifest."""
    pictures_of(plan.folder)
    with locked(plan.folder), ledger_of(plan.folder) as ledger:
        rows = {row.key: row for row in _rows(plan.folder, ledger)}
        left = [row for row in rows.values() if row.status == "done" and _unscored(row, plan)]
        with reported(progress, "Judging", len(left)):
            work = partial(score_row, folder=plan.folder)
            for outcome in in_processes(work, left, workers=min(workers, len(left))):
                row = outcome.result if outcome.result is not None else _died(outcome.item)
                rows[row.key] = row
                ledger.add(row.dump())
                progress.advance(str(row.output))
        judged = judge_rows(list(rows.values()), plan.limits, plan.likeness)
        for row in judged:
            ledger.add(row.dump())
    return judged


def pictures_of(folder: Path) -> list[Row]:
    """The pictures that would be judged; UsageError or InputError if there are none."""
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is not a folder")
    return [row for row in _rows(folder, ledger_of(folder)) if row.status == "done"]


def score_row(row: Row, *, folder: Path) -> Row:
    """Measure one aligned picture: quality, hash, identity descriptor."""
    path = folder / str(row.output)
    try:
        picture = read_picture(path, max_megapixels=MEGAPIXELS)
        content = file_sha256(path)
    except PictureError as error:
        unjudged = {"verdict": None, "reasons": None, "duplicate_of": None}
        return row.model_copy(update={"status": "failed", "reason": error.reason, **unjudged})
    # A rendered picture holds its landmarks itself; they are not points of another photo.
    quad = Quad.of(row.quad) if row.quad is not None else None
    points = np.array(row.landmarks, np.float32) if row.landmarks is not None else None
    scores = score_face(
        picture.pixels,
        landmarks=points,
        quad=quad,
        photo_size=row.photo_size,
        gray=row.gray,
        profile=row.profile is True,
    )
    descriptor = describe_aligned(picture.pixels, points, quad=quad)
    return row.model_copy(
        update={
            "scores": scores.dump(),
            "dhash": _hexadecimal(dhash(picture.pixels)),
            "descriptor": tuple(round(float(number), 4) for number in descriptor),
            "scored": content,
        }
    )


def picture_dhash(path: Path) -> str | None:
    """The dHash of a picture as 16 hexadecimal digits; None if it cannot be read."""
    try:
        return _hexadecimal(dhash(read_picture(path, max_megapixels=MEGAPIXELS).pixels))
    except PictureError:
        return None


def judge_rows(rows: Sequence[Row], limits: QualityLimits, likeness: Likeness) -> list[Row]:
    """The rows with `verdict`, `reasons` and `duplicate_of`, from their scores alone."""
    scored = [row for row in rows if row.status == "done" and row.scores is not None]
    if not scored:
        raise InputError("there is no picture to judge")
    scores = [_scores(row) for row in scored]
    reasons = [verdict(score, limits) for score in scores]
    descriptors = np.array([row.descriptor for row in scored], np.float32)
    if likeness.strangers:
        strangers = find_impostors(descriptors)
        for index in np.flatnonzero(strangers.flags):
            gap = strangers.distances[index]
            reasons[index].append(
                f"another person: {gap:.2f} from the centre, at most {strangers.limit:.2f}"
            )
    order = best_first(scores, reasons)
    hashes = np.array([int(str(row.dhash), 16) for row in scored], np.uint64)
    by_hash = kept_by_hash(hashes, order, likeness.hash_distance)
    ages = np.array([np.nan if row.age is None else row.age for row in scored])
    by_descriptor = kept_by_descriptor(
        descriptors, hashes, order, likeness.descriptor_distance, ages=ages
    )
    judged = dict[str, Row]()
    for index, row in enumerate(scored):
        # What the hash calls a copy needs no second opinion.
        keeper = int(by_hash[index] if by_hash[index] != index else by_descriptor[index])
        original = scored[keeper].output if keeper != index else None
        told = (*reasons[index], *((f"copy of {original}",) if original is not None else ()))
        judged[row.key] = row.model_copy(
            update={
                "verdict": "drop" if told else "keep",
                "reasons": told,
                "duplicate_of": original,
            }
        )
    return [judged.get(row.key, row) for row in rows]


def copy_kept(folder: Path, out: Path) -> int:
    """Copy what is kept, with its rows, into another folder; returns how many pictures."""
    kept = [row for row in read_manifest(folder) if row.usable and row.output is not None]
    with locked(out), ledger_of(out) as ledger:
        for row in kept:
            source = folder / str(row.source) if row.source is not None else None
            picture = folder / str(row.output)
            with picture.open("rb") as original, written(out / str(row.output)) as copy:
                shutil.copyfileobj(original, copy)
            moved = seen_from(out, source) if source is not None else None
            ledger.add(row.model_copy(update={"source": moved}).dump())
    return len(kept)


def _rows(folder: Path, ledger: Ledger) -> list[Row]:
    """The rows of the manifest, or rows for the pictures of a folder that has none."""
    known = [Row.model_validate(row) for row in ledger.rows.values()]
    return known or adopt(folder, AgeSource())


def _hexadecimal(code: np.uint64) -> str:
    return f"{int(code):016x}"


def _unscored(row: Row, plan: FilterPlan) -> bool:
    path = plan.folder / str(row.output)
    return row.scored is None or not path.is_file() or row.scored != file_sha256(path)


def _died(row: Row) -> Row:
    reason = "the process judging it died; it may need more memory than there is"
    return row.model_copy(update={"status": "failed", "reason": reason})


def _scores(row: Row) -> Scores:
    told = dict(row.scores) if row.scores is not None else {}
    return Scores(**{name: told.get(name) for name in Scores.__dataclass_fields__})  # pyright: ignore[reportArgumentType]
