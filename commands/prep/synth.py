"""Portraits or landscapes rendered from nothing."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from commands._console import emit_json, say
from commands._options import AsJson, DryRun, Workers
from commands._progress import LiveProgress

HELP = "Render a procedural world with its truth: people at known ages, landscapes of known mood."
EXAMPLE = "tm prep synth world/ --people 10 --ages 20..50 --per-person 12"
PORTRAITS_ONLY = {"ages": "5..95", "unaligned": 0.0, "same_scene": False}
SIZES = {"portraits": 256, "landscapes": 128}


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
        float, typer.Option(help="0: framed like aligned faces; 1: snapshots to be aligned.")
    ] = 0.0,
    same_scene: Annotated[
        bool, typer.Option("--same-scene", help="One photograph of each, at every age.")
    ] = False,
    world: Annotated[
        Literal["portraits", "landscapes"], typer.Option(help="Which world.")
    ] = "portraits",
    workers: Workers = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.core.errors import UsageError
    from engine.prep.landscapes import LandscapePlan, synthesise_landscapes
    from engine.prep.synth import SynthPlan, parse_ages, synthesise
    from engine.runtime.pool import cores

    side = SIZES[world] if size is None else size
    if world == "landscapes":
        given = {"ages": ages, "unaligned": unaligned, "same_scene": same_scene}
        strange = [name for name, usual in PORTRAITS_ONLY.items() if given[name] != usual]
        if strange:
            raise UsageError(f"landscapes have no `--{strange[0].replace('_', '-')}`")
        plan, what = LandscapePlan(out, people, per_person, side, seed), "scenes"
    else:
        plan = SynthPlan(
            out, people, per_person, parse_ages(ages), side, seed, unaligned, same_scene
        )
        what = "people"
    total = people * per_person
    if dry_run:
        if as_json:
            emit_json({"dry_run": True, "pictures": total, "out": str(out)})
        say(
            f"would render {total} pictures of {people} {what} at {side} px in `{escape(str(out))}`"
        )
        return
    processes = cores() if workers is None else workers
    if isinstance(plan, LandscapePlan):
        fresh, stood = synthesise_landscapes(plan, workers=processes, progress=LiveProgress())
    else:
        fresh, stood = synthesise(plan, workers=processes, progress=LiveProgress())
    if as_json:
        emit_json({"out": str(out), "world": world, "done": fresh, "kept": stood})
    before = f", {stood} stood already" if stood else ""
    say(f"[green]{fresh} rendered[/]{before}; truth in `{escape(str(out / 'manifest.jsonl'))}`")
