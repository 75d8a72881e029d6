"""A checkpoint of one's own, or one fetched by hand."""  # noqa: N999 - the subcommand is called so

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from commands._console import emit_json, say
from commands._options import AsJson, DryRun

HELP = "Recognise a checkpoint, verify it, and keep it as safetensors in the weights folder."
EXAMPLE = "tm weights import sam_ffhq_aging.pt"


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .pt, .pth or .safetensors file.")],
    name: Annotated[
        str | None,
        typer.Option(help="What to call it.", show_default="the known name, else the file's"),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Take the raw weights where averaged ones are there too.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace other weights of that name.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.weights.importing import recognise, take_in

    intake = recognise(file, name=name, ema=not raw)
    told = intake.told()
    fresh = not dry_run and take_in(intake, replacing=force)
    if as_json:
        emit_json({"dry_run": dry_run, "written": fresh, **told})
    what = told["kind"] or "a published file, kept as it is"
    averaged = ", averaged weights" if told["ema"] else ""
    say(f"`{escape(str(file))}`: {what}{averaged}; licence: {intake.licence}")
    for part, count in intake.parts.items():
        say(f"  {part}: {count:,} parameters")
    if dry_run:
        say(f"would be kept as `{intake.name}` in `{escape(str(intake.output))}`")
    elif fresh:
        say(f"[green]imported[/] as `{intake.name}`: `{escape(str(intake.output))}`")
    else:
        say(f"`{intake.name}` is here already: `{escape(str(intake.output))}`")
