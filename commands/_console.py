"""Where text goes: data to stdout, messages to stderr."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich import markup
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from engine.core.errors import RecipeError, TmError
from engine.core.jsontext import to_json

HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters, and those that turn or hide text: a file name may hold them."""


UNBOUNDED = 100_000
"""Columns of what is no terminal."""


def clean(text: str) -> str:
    """Text whose control characters are visible and do nothing; lines and tabs stay.

    >>> clean("red\\x1b[31m.jpg") == r"red\\x1b[31m.jpg"
    True
    """
    return HIDDEN.sub(lambda match: _visible(match[0]), text)


def _visible(letter: str) -> str:
    return f"\\x{ord(letter):02x}" if ord(letter) < 256 else f"\\u{ord(letter):04x}"


def escape(text: str) -> str:
    """A name to stand in a message: on one line, and not read as markup."""
    return markup.escape(text.replace("\n", "\\n").replace("\t", "\\t"))


class CleanConsole(Console):
    """A console on which names cannot move the cursor, whatever prints them.

    Where nobody reads the messages any more (`tm train 2>&1 | head`) the work goes on in silence.
    """

    def on_broken_pipe(self) -> None:
        if not self.stderr:
            super().on_broken_pipe()
            return
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(clean(segment.text), segment.style)


out = CleanConsole(highlight=False, soft_wrap=True)
err = CleanConsole(stderr=True, highlight=False, soft_wrap=True)


class Verbosity:
    """How much is printed on stderr: `-q` leaves only errors, `-v` adds details."""

    quiet = False
    verbose = False
    emitted = False
    """Whether this run has printed its one JSON object."""


def from_here(folder: Path, name: object) -> str:
    """A path that a ledger of `folder` holds, as seen from where the user stands."""
    return os.path.normpath(folder / str(name))


def say(text: str) -> None:
    """Print a message; not with `-q`."""
    if not Verbosity.quiet:
        err.print(text)


def say_biometric(folder: Path) -> None:
    """Say that what was written identifies people by their faces, and how it is removed."""
    place = escape(str(folder))
    say(f"[dim]`{place}` holds biometric data of faces now: `tm prep forget {place}` removes it[/]")


def say_compute(text: str) -> None:
    """Print what a command computes on, as its first line."""
    say(f"[dim]{escape(text)}[/]")


def detail(text: str) -> None:
    """Print a message with `-v` only."""
    if Verbosity.verbose:
        err.print(f"[dim]{text}[/]")


def warn(text: str) -> None:
    """Print a warning; not with `-q`."""
    say(f"[yellow]warning:[/] {markup.escape(text)}")


def print_error(error: TmError) -> None:
    """Print an error in one sentence, and its hint after a blank line."""
    err.print(f"[red]error:[/] {markup.escape(str(error))}")
    if error.hint:
        err.print(f"\n[cyan]hint:[/] {markup.escape(error.hint)}")


def error_record(error: TmError | None) -> dict[str, Any]:
    """An error as `--json` prints it; empty for none."""
    if error is None:
        return {}
    record = {"error": str(error), "hint": error.hint, "code": error.exit_code}
    return record | ({"faults": error.faults} if isinstance(error, RecipeError) else {})


def emit_json(record: Any) -> None:
    """Print one JSON object to stdout."""
    text = to_json(record, indent=2, default=str)
    Verbosity.emitted = True
    out.out(HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text), highlight=False)


def emit_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """Print rows to stdout under their column names; in a pipe no cell is wrapped or cut."""
    table = Table(
        *columns, title=escape(title) or None, title_justify="left", box=None, pad_edge=False
    )
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    piped = CleanConsole(highlight=False, width=UNBOUNDED, file=out.file)
    (out if out.is_terminal else piped).print(table)
