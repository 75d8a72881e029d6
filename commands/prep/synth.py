"""Portraits rendered from nothing."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from commands._console import emit_json, say
from commands._options import AsJson, DryRun, Workers
from commands._progress import LiveProgress

HELP = "Render people of a procedural world at known ages, as pictures with their truth."
EXAMPLE = "tm prep synth world/ --people 10 --ages 20..50 --per-person 12"


def run(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the pictures.")],
    people: Annotated[int, typer.Option(help="How many people.")],
    per_person: Annotated[int, typer.Option(help="Pictures of each.")],
    ages: Annotated[str, typer.Option(help="Their ages, spread evenly.")] = "5..95",
    size: Annotated[int, typer.Option(help="Side of the pictures in pixels.")] = 256,
    seed: Annotated[int, typer.Option(help="Number of the first person.")] = 0,
    wild: Annotated[
        float, typer.Option(help="0: framed like aligned faces; 1: loose snapshots.")
    ] = 0.0,
    same_scene: Annotated[
        bool, typer.Option("--same-scene", help="One photograph of each, at every age.")
    ] = False,
    world: Annotated[Literal["portraits"], typer.Option(help="Which world.")] = "portraits",
    workers: Workers = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.prep.synth import SynthPlan, parse_ages, synthesise
    from engine.runtime.pool import cores

    plan = SynthPlan(out, people, per_person, parse_ages(ages), size, seed, wild, same_scene)
    total = people * per_person
    if dry_run:
        if as_json:
            emit_json({"dry_run": True, "pictures": total, "out": str(out)})
        say(f"would render {total} pictures of {people} people at {size} px in `{out}`")
        return
    processes = cores() if workers is None else workers
    fresh, stood = synthesise(plan, workers=processes, progress=LiveProgress())
    if as_json:
        emit_json({"out": str(out), "world": world, "done": fresh, "kept": stood})
    before = f", {stood} stood already" if stood else ""
    say(f"[green]{fresh} rendered[/]{before}; truth in `{out / 'manifest.jsonl'}`")
