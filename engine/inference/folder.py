"""A photo, or a folder of them, to portraits: files and a ledger, resumable."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from engine.core.batch import (
    INPUT_FAULTS,
    BatchReport,
    Finished,
    fault_row,
    is_current,
    run_batch,
)
from engine.core.ledger import Ledger, Row
from engine.core.lock import locked
from engine.core.progress import Progress
from engine.data.manifest import seen_from
from engine.images.naming import output_stems
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


def photos_of(plan: InferPlan) -> dict[Path, Path]:
    """The photos of the source, and the path of their outputs without suffix.

    UsageError if the source does not exist, InputError if it holds no picture.
    """
    return output_stems(plan.source, plan.out, verb="age")


def reage_photos(plan: InferPlan, method: Method, progress: Progress) -> BatchReport:
    """Age every photo that the ledger does not hold yet under the same settings.

    Raises UsageError or InputError for a source that cannot be used.
    """
    outputs, digest = photos_of(plan), plan.digest

    def is_finished(photo: Path, rows: Sequence[Row]) -> bool:
        ages = {row["target_age"] for row in rows}
        return ages == set(plan.ages) and is_current(photo, rows, plan.out, digest)

    def work(photos: Sequence[Path]) -> Iterator[Finished[Path]]:
        for photo in photos:
            try:
                rows = method.rows(_subject(photo, plan), outputs[photo], plan)
            except INPUT_FAULTS as error:
                rows = [{"output": None, **fault_row(error), "target_age": None}]
            source = seen_from(plan.out, photo)
            yield photo, [{"source": source, **row, "settings": digest} for row in rows]

    with locked(plan.out), Ledger(plan.out / RESULTS, key=_key) as ledger:
        return run_batch(
            list(outputs),
            ledger,
            name=lambda photo: seen_from(plan.out, photo),
            is_finished=is_finished,
            work=work,
            task="Ageing",
            progress=progress,
        )


def _subject(photo: Path, plan: InferPlan) -> Subject:
    if plan.aligned:
        return aligned_subject(photo, plan.faces, trusted=plan.force)
    return find_subject(photo, plan.choice, plan.faces)


def _key(row: Row) -> str:
    return f"{row['source']} {row['target_age']}"
