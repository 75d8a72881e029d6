"""`tm weights import`."""  # noqa: N999 - the subcommand is called so

from pathlib import Path
from typing import Annotated

import typer

from commands._console import emit_json, escape, say
from commands._options import AsJson, DryRun

HELP = "Recognise a checkpoint, verify it, and keep it as safetensors in the weights folder."
EXAMPLE = "tm weights import sam_ffhq_aging.pt"


def run(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .pt, .pth, .safetensors or npm .tgz file.")
    ],
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
    from engine.app.weights import import_weights

    imported = import_weights(file, name=name, ema=not raw, replacing=force, dry_run=dry_run)
    plan, record = imported.plan, imported.plan.to_json()
    if as_json:
        emit_json({"dry_run": dry_run, "written": imported.written, **record})
    kind = record["kind"] or "a published file, kept as it is"
    averaged = ", averaged weights" if record["ema"] else ""
    say(f"`{escape(str(file))}`: {kind}{averaged}; licence: {plan.licence}")
    for part, count in plan.parts.items():
        say(f"  {part}: {count:,} parameters")
    if dry_run:
        say(f"would be kept as `{plan.name}` in `{escape(str(plan.output))}`")
    elif imported.written:
        say(f"[green]imported[/] as `{plan.name}`: `{escape(str(plan.output))}`")
    else:
        say(f"`{plan.name}` is here already: `{escape(str(plan.output))}`")
