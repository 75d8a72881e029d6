"""The status of each input of a batch on disk: a rerun continues where the last run ended."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self, TextIO, cast

from engine.core.atomic import disk_error, write_text
from engine.core.dry_run import end_of_checks, is_dry
from engine.core.errors import UsageError
from engine.core.held import folder_of
from engine.core.jsontext import from_json, to_json
from engine.core.regular import read_text

Row = dict[str, Any]
JOURNAL_HEAD = "\n"
OUTPUTS = ("output", "sidecar")
"""Keys of rows that name files of the ledger's folder."""


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
        for row in [*read_rows(path), *_journalled(self.journal)]:
            try:
                self.rows[key(row)] = row
            except (KeyError, TypeError, AttributeError) as error:
                raise UsageError(
                    f"`{path}` holds rows of something else: {error!r} is missing",
                    hint="name another folder",
                ) from None

    def __enter__(self) -> Self:
        if is_dry():
            self._adopt()
            return self
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A torn last line must not swallow the first row of this run.
            self._file = open(self.journal, "a", encoding="utf-8", opener=_not_through_links)
            self._file.write(JOURNAL_HEAD)
            self._adopt()
        except OSError as error:
            raise disk_error(error, self.journal) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if not is_dry():
            self.save()

    def add(self, row: Row) -> None:
        """Append a row to the journal at once; DiskError or UsageError if it cannot be written."""
        end_of_checks()
        if self._file is None:
            raise ValueError("the ledger is not open")
        try:
            self._file.write(to_json(row) + "\n")
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

    def _adopt(self) -> None:
        """Let the folder own this ledger and, where it has no record yet, what the rows name."""
        folder = folder_of(self.path)
        if folder is None or not folder.guarded:
            return
        done = [row for row in self.rows.values() if row.get("status", "done") == "done"]
        named = (row.get(key) for row in done for key in OUTPUTS)
        outputs = [name for name in named if isinstance(name, str)] if folder.is_new else []
        folder.adopt([self.path.name, *outputs])

    def save(self) -> None:
        """Write all rows to the file in the order of their keys, then drop the journal."""
        lines = [to_json(self.rows[key]) for key in sorted(self.rows)]
        write_text(self.path, "".join(line + "\n" for line in lines))
        self.journal.unlink(missing_ok=True)


def _journalled(journal: Path) -> list[Row]:
    """What a killed run has left; UsageError for a file of somebody else's."""
    rows = read_rows(journal, torn=True)
    if journal.exists() and read_text(journal, errors="replace")[:1] not in ("", JOURNAL_HEAD):
        raise UsageError(
            f"`{journal}` was not made by tm, which keeps a file of its own there",
            hint="remove it, or name another folder",
        )
    return rows


def outputs_of(path: Path) -> frozenset[str]:
    """The files that the done rows of a ledger name, relative to its folder; none without one."""
    done = (row for row in read_rows(path, torn=True) if row.get("status", "done") == "done")
    return frozenset(row[key] for row in done for key in OUTPUTS if isinstance(row.get(key), str))


def _not_through_links(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def read_rows(path: Path, *, torn: bool = False) -> list[Row]:
    """Rows of a JSONL file, none if it is absent; `torn` forgives lines a killed run cut short."""
    if not os.path.lexists(path):
        return []
    rows: list[Row] = []
    # Not splitlines(): it also splits at U+2028, which a file name may hold.
    try:
        text = read_text(path, errors="replace")
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"`{path}` cannot be read: {reason}", hint="name another folder") from None
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = from_json(line)
            if not isinstance(row, dict):
                raise ValueError("not an object")
            rows.append(cast(Row, row))
        except ValueError as error:
            if not torn:
                raise UsageError(f"line {number} of `{path}` is not JSON: {error}") from None
    return rows
