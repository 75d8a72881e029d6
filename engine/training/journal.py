"""The journal of a run: one JSON row a logged step, and the same for TensorBoard."""

from collections.abc import Mapping
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import IO, Any, Self, cast

from engine.core.atomic import disk_error, write_text
from engine.core.errors import UsageError
from engine.core.jsontext import from_json, to_json
from engine.core.regular import open_regular

METRICS, TENSORBOARD = "metrics.jsonl", "tensorboard"


class Journal:
    """`metrics.jsonl` and `tensorboard/` of a run, opened to go on after a step.

    Rows beyond that step, which a killed process wrote, are dropped.
    latest: the metrics of the last row before it that has losses.
    """

    def __init__(self, folder: Path, *, after: int) -> None:
        # Imported here: TensorBoard takes a second, which a dry run need not pay.
        from torch.utils.tensorboard import SummaryWriter

        path = folder / METRICS
        rows = read_journal(path)
        kept = [row for row in rows if row["step"] <= after]
        if len(kept) < len(rows) or not path.exists():
            write_text(path, "".join(_line(row) for row in kept))
        self.latest: dict[str, float] = next(map(_metrics, filter(_has_losses, reversed(kept))), {})
        self._path = path
        self._file: IO[str] = path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(folder / TENSORBOARD), purge_step=after + 1)

    def write(self, step: int, phase: str, metrics: Mapping[str, float]) -> None:
        """Add a row; DiskError when the disk is full."""
        # JSON has no NaN: what could not be measured is null.
        values = {name: value if isfinite(value) else None for name, value in metrics.items()}
        row: dict[str, Any] = {"step": step, "phase": phase, **values}
        try:
            self._file.write(_line(row))
            self._file.flush()
        except OSError as error:
            raise disk_error(error, self._path) from error
        for name, value in metrics.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close both files."""
        self._file.close()
        self._board.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.jsonl`; lines that are cut short or no rows are left out.

    UsageError where it is no file, but a folder or a pipe.
    """
    if not path.exists():
        return []
    if not path.is_file():
        raise UsageError(f"`{path}` is no file", hint="remove it: the run goes on without its rows")
    rows: list[dict[str, Any]] = []
    with open_regular(path) as file:
        for line in file.read().decode("utf-8", "replace").split("\n")[:-1]:
            with suppress(ValueError):  # what a dying disk left; the steps around it stand
                row = from_json(line)
                if isinstance(row, dict) and isinstance(cast(Any, row).get("step"), int):
                    rows.append(cast("dict[str, Any]", row))
    return rows


def validation_of(row: Mapping[str, float]) -> dict[str, float]:
    """The validation metrics of a row."""
    return {n.removeprefix("val/"): v for n, v in row.items() if n.startswith("val/")}


def _has_losses(row: Mapping[str, Any]) -> bool:
    """Whether a row has losses, not only validation metrics."""
    return any(name.startswith("loss/") for name in row)


def _metrics(row: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in row.items() if isinstance(value, float)}


def _line(row: Mapping[str, Any]) -> str:
    return to_json(row) + "\n"
