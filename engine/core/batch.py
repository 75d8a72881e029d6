"""Resumable batches: finished inputs are skipped, faults of one input are recorded, not raised."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from engine.core.digest import file_sha256
from engine.core.errors import PictureError
from engine.core.ledger import Ledger, Row
from engine.core.progress import Progress, reported
from engine.core.regular import printable

Item = TypeVar("Item")
Finished = tuple[Item, Sequence[Row]]
"""An input and its rows for the ledger, one for each output, at least one."""

INPUT_FAULTS = (PictureError, OSError, MemoryError)
"""What one input of a batch may raise; everything else ends the batch."""
PROCESS_DIED = "the process on it died or took too long; it may need more memory than there is"


@dataclass(frozen=True, slots=True)
class BatchReport:
    """The rows that this run recorded, and how many inputs an earlier run had finished."""

    rows: tuple[Row, ...]
    kept: int

    def count(self, status: str) -> int:
        """The number of rows with a status: `done`, `skipped` or `failed`."""
        return sum(row["status"] == status for row in self.rows)

    @property
    def counts(self) -> dict[str, int]:
        """The number of rows by status."""
        return {status: self.count(status) for status in ("done", "skipped", "failed")}


def run_batch(
    inputs: Sequence[Item],
    ledger: Ledger,
    *,
    name: Callable[[Item], str],
    is_finished: Callable[[Item, Sequence[Row]], bool],
    work: Callable[[Sequence[Item]], Iterable[Finished[Item]]],
    task: str,
    progress: Progress,
    column: str = "source",
    keeps: Callable[[Row], bool] = lambda row: False,
) -> BatchReport:
    """Work on every input that the open ledger does not hold as finished.

    The caller holds the lock of the output folder. A row is on the disk as soon as its input is
    finished, so a killed run continues where it was.

    Args:
        inputs: in the order in which they are worked on.
        ledger: open; the rows of an input are replaced as a whole.
        name: the value of `column` in the rows of an input.
        is_finished: whether the rows of an earlier run still hold, given possibly none.
        work: yields every input that it is given with its rows; turns the exceptions of
            `INPUT_FAULTS` into rows by `fault_row`.
        task, progress: the label and the receiver of progress.
        column: the key by which rows belong to an input.
        keeps: which rows of an input stay beside its new ones.
    """
    recorded: dict[str, list[Row]] = {}
    for row in ledger.rows.values():
        recorded.setdefault(str(row[column]), []).append(row)
    remaining = [item for item in inputs if not is_finished(item, recorded.get(name(item), ()))]
    rows: list[Row] = []
    with reported(progress, task, len(remaining)):
        for item, own in work(remaining):
            old = [row for row in recorded.get(name(item), ()) if not keeps(row)]
            ledger.replace(old, own)
            rows += own
            progress.advance(name(item))
    return BatchReport(tuple(rows), len(inputs) - len(remaining))


def is_current(
    source: Path,
    rows: Sequence[Row],
    out: Path,
    settings: str,
    statuses: Collection[str] = ("done",),
) -> bool:
    """Whether the rows of a source hold under these settings.

    That is so if there are rows, all have one of the statuses and the same settings digest, their
    outputs exist in `out` (and have their digest, where it is recorded), and the source still has
    the digest that it was read with.
    """
    if not rows or any(
        row["status"] not in statuses or row.get("settings") != settings for row in rows
    ):
        return False
    if not all(_outputs_exist(row, out) for row in rows):
        return False
    digest = _sha256(source)
    return digest is not None and all(row.get("sha256") == digest for row in rows)


def fault_row(error: PictureError | OSError | MemoryError) -> dict[str, Any]:
    """`status` and `reason` of an input that raised one of `INPUT_FAULTS`."""
    if isinstance(error, PictureError):
        return {"status": error.status, "reason": error.reason}
    if isinstance(error, MemoryError):
        return {"status": "failed", "reason": f"needs more memory than there is: {error}"}
    reason = printable(error.strerror or str(error))
    return {"status": "failed", "reason": f"cannot be read: {reason}"}


def _outputs_exist(row: Row, out: Path) -> bool:
    paths = {key: out / str(row[key]) for key in ("output", "sidecar") if row.get(key) is not None}
    if not all(path.is_file() for path in paths.values()):
        return False
    digest = row.get("output_sha256")
    return digest is None or digest == file_sha256(paths["output"])


def _sha256(path: Path) -> str | None:
    try:
        return file_sha256(path)
    except OSError:  # working on it again records the reason
        return None
