"""What the batches of `tm prep` say when they end."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from commands._console import detail, say

if TYPE_CHECKING:
    from engine.data.manifest import Row

NOTHING_USABLE = 3
EXAMPLES = 3


def tell_rows(rows: Sequence["Row"], *, kept: int, out: Path) -> None:
    """Say how a batch went, and why what was left out was left out."""
    done = sum(row.status == "done" for row in rows)
    before = f", {kept} stood already" if kept else ""
    say(f"[green]{done} aligned[/]{before}; manifest in `{escape(str(out / 'manifest.jsonl'))}`")
    reasons = Counter((row.status, row.reason) for row in rows if row.status != "done")
    for (status, reason), count in reasons.most_common():
        names = [str(row.source) for row in rows if (row.status, row.reason) == (status, reason)]
        more = f" and {count - EXAMPLES} more" if count > EXAMPLES else ""
        say(f"  {status}: {escape(str(reason))}: {escape(', '.join(names[:EXAMPLES]))}{more}")
        for name in names[EXAMPLES:]:
            detail(f"  {status}: {escape(name)}")


def leave(rows: Sequence["Row"], *, strict: bool) -> None:
    """End with 3 if nothing came of the batch, or if `strict` and anything was left out."""
    done = any(row.status == "done" for row in rows)
    if not done or (strict and any(row.status != "done" for row in rows)):
        raise typer.Exit(NOTHING_USABLE)
