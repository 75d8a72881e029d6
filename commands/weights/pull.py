"""Published weights, fetched after consent."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from commands._console import emit_json, say
from commands._options import AsJson, DryRun
from commands._progress import LiveProgress
from commands.weights._told import told_size, told_terms
from engine.core.errors import UsageError

if TYPE_CHECKING:
    from engine.weights.folder import Standing

HELP = "Fetch published weights, after showing their licence and size."
EXAMPLE = "tm weights pull gfpgan realesrgan-x4 --yes"


def run(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="As `list` shows them.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to the licences.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.core.places import weights_folder
    from engine.weights.fetch import fetch, require_fetchable
    from engine.weights.folder import standing
    from engine.weights.manifest import known_weights

    folder = weights_folder()
    manifest = known_weights(folder)
    wanted = [standing(manifest[name], folder) for name in dict.fromkeys(names)]
    missing = [one for one in wanted if not one.here]
    for one in wanted:
        if one.here:
            say(f"`{one.weight.name}` is here: `{escape(str(one.path))}`")
    for one in missing:
        require_fetchable(one.weight)
        _show(one)
    if not dry_run and missing:
        _require_consent(yes)
    rows = [
        {
            "name": one.weight.name,
            "path": str(one.path if one.here else folder / one.weight.file),
            "fetched": not one.here and not dry_run,
            "licence": one.weight.licence,
            "commercial": one.weight.commercial,
        }
        for one in wanted
    ]
    for one in missing if not dry_run else ():
        path = fetch(one.weight, folder=folder, progress=LiveProgress())
        say(f"[green]fetched[/] `{escape(str(path))}`")
    if as_json:
        emit_json({"folder": str(folder), "dry_run": dry_run, "weights": rows})


def _show(one: "Standing") -> None:
    weight = one.weight
    size = told_size(weight.size, exact=weight.bytes is not None)
    say(f"{weight.name}: {weight.about} {size}")
    say(f"  {told_terms(weight)}")
    say(f"  from {weight.addresses[0]}")


def _require_consent(yes: bool) -> None:
    """Ask on a terminal; elsewhere consent has to be given beforehand."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("the licences above need your consent", hint="add `--yes` to agree")
    if not typer.confirm("Agree and fetch?", err=True):
        say("nothing was fetched")
        raise typer.Exit(2)
