"""Decide which pictures of a prepared folder to train on; nothing is deleted."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import Field

from engine.core.atomic import require_folder, written
from engine.core.batch import INPUT_FAULTS, PROCESS_DIED, Finished, fault_row, run_batch
from engine.core.digest import file_sha256
from engine.core.errors import InputError, PictureError, UsageError
from engine.core.held import within
from engine.core.ledger import Ledger
from engine.core.lock import locked
from engine.core.progress import Progress
from engine.core.regular import open_regular, real
from engine.core.table import Table
from engine.data.ages import AgeSource
from engine.data.manifest import MANIFEST, Row, adopt, ledger_of, read_manifest, seen_from
from engine.faces.descriptor import describe_aligned
from engine.faces.duplicates import best_first, dhash, kept_by_descriptor, kept_by_hash
from engine.faces.outliers import find_impostors
from engine.faces.quality import QualityLimits, Scores, quality_faults, score_face
from engine.geometry.ffhq import Quad
from engine.images.reading import read_picture
from engine.images.saving import require_photograph
from engine.runtime.pool import PICTURE_LIMIT, in_processes


class Similarity(Table):
    """Which pictures are duplicates, and which faces are impostors."""

    hash_distance: int = Field(default=4, ge=0, le=64)
    """Bits of 64 by which the dHash of a duplicate may differ."""
    descriptor_distance: float = Field(default=0.2, ge=0)
    """Distance of dlib descriptors within which two pictures of similar dHash are duplicates."""
    impostors: bool = True
    """Drop faces far from the centre of the person's; set to false for folders of many people."""


@dataclass(frozen=True, slots=True)
class FilterPlan:
    """A prepared folder, and the limits of its pictures."""

    folder: Path
    limits: QualityLimits = QualityLimits()
    similarity: Similarity = Similarity()
    include_synthetic: bool = False
    """Also take what tm aged, enhanced or generated, where no manifest says what is there."""


def filter_folder(plan: FilterPlan, *, workers: int, progress: Progress) -> list[Row]:
    """Score every picture that is not scored yet, decide on all, write both to the manifest."""
    pictures_of(plan.folder)
    adopted = not (plan.folder / MANIFEST).is_file()

    def work(rows: Sequence[Row]) -> Iterator[Finished[Row]]:
        photographs = adopted and not plan.include_synthetic
        score = partial(score_row, folder=plan.folder, photographs=photographs)
        count = min(workers, len(rows))
        for outcome in in_processes(score, rows, workers=count, limit=PICTURE_LIMIT):
            row = outcome.result if outcome.result is not None else _failed(outcome.item)
            yield outcome.item, [row.dump()]

    with locked(plan.folder, guarded=True), ledger_of(plan.folder) as ledger:
        rows = {row.key: row for row in _rows(plan.folder, ledger)}
        report = run_batch(
            [row for row in rows.values() if row.status == "done"],
            ledger,
            name=lambda row: str(row.output),
            is_finished=lambda row, _: _is_scored(row, plan.folder),
            work=work,
            task="Scoring",
            progress=progress,
            column="output",
        )
        rows |= {row.key: row for row in map(Row.model_validate, report.rows)}
        decided = decide(list(rows.values()), plan.limits, plan.similarity)
        for row in decided:
            ledger.add(row.dump())
    return decided


def pictures_of(folder: Path) -> list[Row]:
    """The pictures to decide on; UsageError or InputError if there are none."""
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is not a folder")
    return [row for row in _rows(folder, ledger_of(folder)) if row.status == "done"]


def score_row(row: Row, *, folder: Path, photographs: bool = False) -> Row:
    """Measure one aligned picture: quality, hash, identity descriptor.

    photographs: skip what tm made from other pictures.
    """
    path = folder / str(row.output)
    try:
        if photographs:
            require_photograph(path)
        picture = read_picture(path)
        content = file_sha256(path)
    except INPUT_FAULTS as error:
        undecided = {"verdict": None, "reasons": None, "duplicate_of": None}
        return row.model_copy(update={**fault_row(error), **undecided})
    # Without a quad the landmarks of a row lie in the picture itself, which was rendered.
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
        return _hexadecimal(dhash(read_picture(path).pixels))
    except PictureError:
        return None


def decide(rows: Sequence[Row], limits: QualityLimits, similarity: Similarity) -> list[Row]:
    """The rows with `verdict`, `reasons` and `duplicate_of`, from their scores alone."""
    scored = [row for row in rows if row.status == "done" and row.scores is not None]
    if not scored:
        raise InputError("there is no picture to filter")
    scores = [_scores(row) for row in scored]
    reasons = [quality_faults(score, limits) for score in scores]
    descriptors = np.array([row.descriptor for row in scored], np.float32)
    if similarity.impostors:
        impostors = find_impostors(descriptors)
        for index in np.flatnonzero(impostors.flags):
            distance = impostors.distances[index]
            reasons[index].append(
                f"another person: {distance:.2f} from the centre, at most {impostors.limit:.2f}"
            )
    order = best_first(scores, reasons)
    hashes = np.array([int(str(row.dhash), 16) for row in scored], np.uint64)
    by_hash = kept_by_hash(hashes, order, similarity.hash_distance)
    ages = np.array([np.nan if row.age is None else row.age for row in scored])
    by_descriptor = kept_by_descriptor(
        descriptors, hashes, order, similarity.descriptor_distance, ages=ages
    )
    decided = dict[str, Row]()
    for index, row in enumerate(scored):
        # A duplicate by hash needs no comparison of descriptors.
        kept = int(by_hash[index] if by_hash[index] != index else by_descriptor[index])
        original = scored[kept].output if kept != index else None
        against = (*reasons[index], *((f"copy of {original}",) if original is not None else ()))
        decided[row.key] = row.model_copy(
            update={
                "verdict": "drop" if against else "keep",
                "reasons": against,
                "duplicate_of": original,
            }
        )
    return [decided.get(row.key, row) for row in rows]


def require_copies(folder: Path, out: Path) -> None:
    """UsageError for an `out` that is the folder itself, or cannot be a folder."""
    if real(out) == real(folder):
        raise UsageError(f"`{out}` is the folder itself", hint="name another folder")
    require_folder(out)


def copy_kept(folder: Path, out: Path) -> tuple[int, list[str]]:
    """Copy what is kept, with its rows, into another folder.

    Returns how many pictures, and why others could not be copied. UsageError as of
    `require_copies`, and for a manifest whose paths lead out of it.
    """
    require_copies(folder, out)
    kept = [row for row in read_manifest(folder) if row.usable and row.output is not None]
    copies = {row.key: within(out, str(row.output)) for row in kept}
    inputs = [folder / str(row.output) for row in kept]
    faults: list[str] = []
    with locked(out, guarded=True, inputs=inputs), ledger_of(out) as ledger:
        for row in kept:
            source = folder / str(row.source) if row.source is not None else None
            moved = seen_from(out, source) if source is not None else None
            copy = row.model_copy(update={"source": moved})
            try:
                picture = open_regular(folder / str(row.output))
                with picture, written(copies[row.key]) as file:
                    shutil.copyfileobj(picture, file)
            except INPUT_FAULTS as error:
                copy = copy.model_copy(update=fault_row(error))
                faults.append(f"`{row.output}`: {copy.reason}")
            ledger.add(copy.dump())
    return len(kept) - len(faults), faults


def _rows(folder: Path, ledger: Ledger) -> list[Row]:
    """The rows of the manifest, or rows for the pictures of a folder that has none."""
    known = [Row.model_validate(row) for row in ledger.rows.values()]
    return known or adopt(folder, AgeSource(), every=True)


def _hexadecimal(code: np.uint64) -> str:
    return f"{int(code):016x}"


def _is_scored(row: Row, folder: Path) -> bool:
    path = folder / str(row.output)
    return row.scored is not None and path.is_file() and row.scored == file_sha256(path)


def _failed(row: Row) -> Row:
    return row.model_copy(update={"status": "failed", "reason": PROCESS_DIED})


def _scores(row: Row) -> Scores:
    values = dict(row.scores) if row.scores is not None else {}
    return Scores(**{name: values.get(name) for name in Scores.__dataclass_fields__})  # pyright: ignore[reportArgumentType]
