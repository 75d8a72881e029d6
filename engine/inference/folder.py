"""A photo, or a folder of them, to portraits: files and a ledger, resumable."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from engine.core.batch import (
    INPUT_FAULTS,
    BatchReport,
    Finished,
    fault_row,
    is_current,
    run_batch,
)
from engine.core.errors import PictureError
from engine.core.ledger import Ledger, Row, outputs_of
from engine.core.lock import locked
from engine.core.progress import Progress
from engine.data.manifest import seen_from
from engine.images.naming import output_stems
from engine.inference.outputs import made_beside, stale_names
from engine.inference.plan import InferPlan
from engine.inference.subject import Subject, aligned_subject, find_subject

RESULTS = "results.jsonl"


class Method(Protocol):
    """One way of ageing photos: with an `Ager`, by the photo model, or by either."""

    def rows(self, subject: Subject, stem: Path, plan: InferPlan) -> list[Row]:
        """Write the outputs of one photo at `stem`, and describe them, a row for each age.

        PictureError for a photo that this method refuses.
        """
        ...


class Photo(NamedTuple):
    """A photo, and the path of its outputs without suffix."""

    path: Path
    stem: Path


Spread = Callable[[Iterable[Photo]], Iterator[tuple[Photo, list[Row]]]]
"""Ages photos elsewhere, as `rows_of` does here; yields them as they come."""


def photos_of(plan: InferPlan) -> dict[Path, Path]:
    """The photos of the source, and the path of their outputs without suffix.

    UsageError if the source does not exist, InputError if it holds no picture.
    """
    own = {name for output in outputs_of(plan.out / RESULTS) for name in made_beside(output)}
    stems = output_stems(plan.source, plan.out, verb="age", own=own)
    return dict(sorted(stems.items())[: plan.most]) if plan.most is not None else stems


def reage_photos(
    plan: InferPlan,
    method: Method,
    progress: Progress,
    *,
    spread: Callable[[int], Spread | None] = lambda photos: None,
) -> BatchReport:
    """Age every photo that the ledger does not hold yet under the same settings.

    spread: given the number of photos that are left, what ages them elsewhere; None: here.

    Raises UsageError or InputError for a source that cannot be used.
    """
    outputs, digest = photos_of(plan), plan.digest
    plan.choice.check()
    plan.faces.check()

    def is_finished(photo: Path, rows: Sequence[Row]) -> bool:
        wanted = [row for row in rows if row["target_age"] in plan.ages]
        return len(wanted) == len(plan.ages) and is_current(photo, wanted, plan.out, digest)

    def keeps(row: Row) -> bool:
        """Whether a row is of another age, whose picture stands."""
        if row["target_age"] is None or row["target_age"] in plan.ages:
            return False
        return row.get("output") is not None and (plan.out / str(row["output"])).is_file()

    def cleared(photos: Sequence[Path]) -> Iterator[Photo]:
        """The photos, each after what earlier settings left of it is removed."""
        other_look = {
            row["source"] for row in ledger.rows.values() if row.get("look", plan.look) != plan.look
        }
        for photo in photos:
            if names[photo] in other_look:
                held.remove(*stale_names(outputs[photo], plan))
            yield Photo(photo, outputs[photo])

    def work(photos: Sequence[Path]) -> Iterator[Finished[Path]]:
        jobs, elsewhere = cleared(photos), spread(len(photos))
        aged = ((job, rows_of(job, plan, method)) for job in jobs)
        made_with = {"settings": digest, "look": plan.look}
        for job, rows in aged if elsewhere is None else elsewhere(jobs):
            yield job.path, [{"source": names[job.path], **row, **made_with} for row in rows]

    names = {photo: seen_from(plan.out, photo) for photo in outputs}
    with (
        locked(plan.out, guarded=True, inputs=outputs) as held,
        Ledger(plan.out / RESULTS, key=_key) as ledger,
    ):
        return run_batch(
            list(outputs),
            ledger,
            name=lambda photo: names[photo],
            is_finished=is_finished,
            keeps=keeps,
            work=work,
            task="Ageing",
            progress=progress,
        )


def rows_of(photo: Photo, plan: InferPlan, method: Method) -> list[Row]:
    """The rows of a photo, or the one that says why it has none."""
    try:
        return method.rows(_subject(photo.path, plan), photo.stem, plan)
    except INPUT_FAULTS as error:
        return [fault_of(error)]


def fault_of(error: PictureError | OSError | MemoryError) -> Row:
    """The row of a photo that could not be aged."""
    return {"output": None, **fault_row(error), "target_age": None}


def _subject(photo: Path, plan: InferPlan) -> Subject:
    if plan.aligned:
        return aligned_subject(photo, plan.faces, trusted=plan.force)
    return find_subject(photo, plan.choice, plan.faces)


def _key(row: Row) -> str:
    return f"{row['source']} {row['target_age']}"
