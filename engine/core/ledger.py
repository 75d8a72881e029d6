"""The status of each input of a batch on disk: a rerun continues where the last run ended."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self, TextIO

from engine.core.atomic import disk_error, write_text
from engine.core.errors import UsageError

Row = dict[str, Any]


class Ledger:
    """Rows of JSON: one file that is always complete, and a journal for the current run.

    Rows are appended to `<name>.journal` as they come; `close` folds them into the file in one
    step. A killed run leaves the journal behind, and the next one reads both. Of several rows with
    one key the last one counts.
    """

    def __init__(self, path: Path, *, key: Callable[[Row], str]) -> None:
        self.path = path
        self.journal = path.with_name(f".{path.name}.journal")
        self._key = key
        self._file: TextIO | None = None
        self.rows: dict[str, Row] = {}
        for row in [*read_rows(path), *read_rows(self.journal, torn=True)]:
            self.rows[key(row)] = row

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A torn last line must not swallow the first row of this run.
            self._file = self.journal.open("a", encoding="utf-8")
            self._file.write("\n")
        except OSError as error:
            raise disk_error(error, self.journal) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self.save()

    def add(self, row: Row) -> None:
        """Append a row to the journal at once; DiskError or UsageError if it cannot be written."""
        if self._file is None:
            raise ValueError("the ledger is not open")
        try:
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise disk_error(error, self.journal) from error
        self.rows[self._key(row)] = row

    def drop(self, keys: Iterable[str]) -> None:
        """Remove rows by their keys."""
        for key in list(keys):
            self.rows.pop(key, None)

    def replace(self, old: Iterable[Row], new: Iterable[Row]) -> None:
        """Remove the rows that an input had before, and record its new ones."""
        self.drop(self._key(row) for row in old)
        for row in new:
            self.add(row)

    def save(self) -> None:
        """Write all rows to the file in the order of their keys, then drop the journal."""
        lines = [json.dumps(self.rows[key], ensure_ascii=False) for key in sorted(self.rows)]
        write_text(self.path, "".join(line + "\n" for line in lines))
        self.journal.unlink(missing_ok=True)


def read_rows(path: Path, *, torn: bool = False) -> list[Row]:
    """Rows of a JSONL file, none if it is absent; `torn` forgives lines a killed run cut short."""
    if not path.exists():
        return []
    rows: list[Row] = []
    # Not splitlines(): it also splits at U+2028, which a file name may hold.
    for number, line in enumerate(path.read_text("utf-8", errors="replace").split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            if not torn:
                raise UsageError(f"line {number} of `{path}` is not JSON: {error}") from None
    return rows
