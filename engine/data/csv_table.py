"""CSV tables as people and spreadsheets write them: byte-order marks, spaces, any case of names."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.core.errors import UsageError
from engine.core.regular import read_text

FORMULA = ("=", "+", "-", "@", "|")
DELIMITERS = ",;\t"
"""The first of those that are most frequent in the first line is meant."""
PATH_COLUMNS = ("path", "file", "filename", "name", "image", "photo")


@dataclass(frozen=True, slots=True)
class CsvTable:
    """Columns by their lower-case names; rows with their line numbers, cells stripped."""

    columns: Sequence[str]
    rows: Sequence[tuple[int, dict[str, str]]]

    @property
    def path_column(self) -> str | None:
        """The column of paths or file names, None if there is none."""
        return next((name for name in PATH_COLUMNS if name in self.columns), None)


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """A table as CSV text; a cell that a spreadsheet would run as a formula becomes text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    """A quotation mark before what begins like a formula; numbers and None as they are."""
    if not isinstance(value, str):
        return value
    return f"'{value}" if value.lstrip()[:1] in FORMULA and not _is_number(value) else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_csv(path: Path, what: str) -> CsvTable:
    """Read a table; UsageError that begins with `what` if the file cannot be read."""
    try:
        text = read_text(path, "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{what} `{path}` cannot be read: {error}") from None
    head = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=head.count)
    reader = csv.DictReader(
        io.StringIO(text, newline=""), skipinitialspace=True, delimiter=delimiter
    )
    names = {name: name.strip().lower() for name in reader.fieldnames or []}
    try:
        rows = [
            (reader.line_num, {key: _read_cell(row[name]) for name, key in names.items()})
            for row in reader
        ]
    except csv.Error as error:
        raise UsageError(f"{what} `{path}`, line {reader.line_num}: {error}") from None
    return CsvTable(tuple(names.values()), rows)


def _read_cell(text: str | None) -> str:
    """A cell without the spaces around it; a NUL, which no name of a file has, as U+FFFD."""
    return (text or "").replace("\0", "\ufffd").strip()
