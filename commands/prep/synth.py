"""Portraits or landscapes rendered from nothing."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from commands._console import emit_json, escape, say
from commands._options import AsJson, DryRun, Workers
from commands._progress import LiveProgress

HELP = "Render a procedural world with its truth: people at known ages, landscapes of known mood."
EXAMPLE = "tm prep synth world/ --people 10 --ages 20..50 --per-person 12"
WRITES = True


def run(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the pictures.")],
    people: Annotated[int, typer.Option(help="How many people, or scenes.")],
    per_person: Annotated[int, typer.Option(help="Pictures of each.")],
    ages: Annotated[str, typer.Option(help="Ages of people, spread evenly.")] = "5..95",
    size: Annotated[
        int | None,
        typer.Option(help="Side of the pictures in pixels.", show_default="256, landscapes 128"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Number of the first person or scene.")] = 0,
    unaligned: Annotated[
        float, typer.Option(help="0: framed like aligned faces; 1: like snapshots.")
    ] = 0.0,
    same_scene: Annotated[
        bool, typer.Option("--same-scene", help="One photograph of each, at every age.")
    ] = False,
    staggered: Annotated[
        bool, typer.Option("--staggered", help="Everybody at other ages: no age is left out.")
    ] = False,
    world: Annotated[
        Literal["portraits", "landscapes"], typer.Option(help="Which world.")
    ] = "portraits",
    workers: Workers = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.prep import SynthRequest, forecast_synth, synth

    request = SynthRequest(
        out=out,
        people=people,
        per_person=per_person,
        ages=ages,
        size=size,
        seed=seed,
        unaligned=unaligned,
        same_scene=same_scene,
        staggered=staggered,
        world=world,
        workers=workers,
    )
    if dry_run:
        total, side = forecast_synth(request)
        if as_json:
            emit_json({"dry_run": True, "pictures": total, "out": str(out)})
        subjects = f"{people} {'people' if world == 'portraits' else 'scenes'}"
        say(f"would render {total} pictures of {subjects} at {side} px in `{escape(str(out))}`")
        return
    rendered, kept = synth(request, LiveProgress())
    if as_json:
        emit_json({"out": str(out), "world": world, "done": rendered, "kept": kept})
    before = f", {kept} kept from an earlier run" if kept else ""
    say(f"[green]{rendered} rendered[/]{before}; truth in `{escape(str(out / 'manifest.jsonl'))}`")
