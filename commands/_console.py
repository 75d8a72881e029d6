"""Where text goes: data to stdout, everything said to a person to stderr."""

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.core.errors import TmError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Voice:
    """How much is said: `-q` leaves errors alone, `-v` adds details."""

    quiet = False
    verbose = False


def say(text: str) -> None:
    """Tell the user something; not with `-q`."""
    if not Voice.quiet:
        err.print(text)


def detail(text: str) -> None:
    """Tell the user something that only `-v` asks for."""
    if Voice.verbose:
        err.print(f"[dim]{text}[/]")


def warn(text: str) -> None:
    """Tell the user what may go wrong later; not with `-q`."""
    say(f"[yellow]warning:[/] {escape(text)}")


def complain(error: TmError) -> None:
    """Show a failure as one sentence, and its hint after a blank line."""
    err.print(f"[red]error:[/] {escape(str(error))}")
    if error.hint:
        err.print(f"\n[cyan]hint:[/] {escape(error.hint)}")


def emit_json(record: Any) -> None:
    """Print one JSON object to stdout."""
    out.out(json.dumps(record, indent=2, ensure_ascii=False, default=str), highlight=False)


def emit_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """Print rows to stdout under their column names."""
    table = Table(
        *columns, title=escape(title) or None, title_justify="left", box=None, pad_edge=False
    )
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    out.print(table)
