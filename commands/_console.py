"""Where text goes: data to stdout, messages to stderr."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.core.errors import TmError
from engine.core.jsontext import to_json

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Verbosity:
    """How much is printed on stderr: `-q` leaves only errors, `-v` adds details."""

    quiet = False
    verbose = False


def say(text: str) -> None:
    """Print a message; not with `-q`."""
    if not Verbosity.quiet:
        err.print(text)


def detail(text: str) -> None:
    """Print a message with `-v` only."""
    if Verbosity.verbose:
        err.print(f"[dim]{text}[/]")


def warn(text: str) -> None:
    """Print a warning; not with `-q`."""
    say(f"[yellow]warning:[/] {escape(text)}")


def print_error(error: TmError) -> None:
    """Print an error in one sentence, and its hint after a blank line."""
    err.print(f"[red]error:[/] {escape(str(error))}")
    if error.hint:
        err.print(f"\n[cyan]hint:[/] {escape(error.hint)}")


def emit_json(record: Any) -> None:
    """Print one JSON object to stdout."""
    out.out(to_json(record, indent=2, default=str), highlight=False)


def emit_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """Print rows to stdout under their column names."""
    table = Table(
        *columns, title=escape(title) or None, title_justify="left", box=None, pad_edge=False
    )
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    out.print(table)
