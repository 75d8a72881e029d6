"""A personal model, refined for one age."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from commands._console import emit_json, say
from commands._options import AsJson, DryRun, Settings
from commands._training import callback, tell

HELP = "Refine a personal model for one age: a short training locked on an age window."
EXAMPLE = "tm oneshot --age 40 --jitter 2 --photos aligned/"
RUNS = Path("runs")


def run(
    age: Annotated[float, typer.Option(help="The age in years.")],
    jitter: Annotated[float, typer.Option(help="Years around it.")] = 2,
    photos: Annotated[
        Path | None,
        typer.Option(help="The person's aligned photos.", show_default="those of the run"),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", help="The run to refine.", show_default="the newest finished one"),
    ] = None,
    bank: Annotated[
        Path | None, typer.Option(help="Bank of impostors.", show_default="that of the run")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run.", show_default="a new one in runs/")
    ] = None,
    devices: Annotated[int, typer.Option(min=1, help="Processes that share the work.")] = 1,
    settings: Settings = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.training.launch import begin
    from engine.trainings.personal.oneshot import newest_run, oneshot_recipe, window_around

    window = window_around(age, jitter)
    base = start if start is not None else newest_run(RUNS)
    recipe = oneshot_recipe(window, base, photos=photos, bank=bank, settings=tuple(settings or ()))
    if dry_run:
        if as_json:
            emit_json({"dry_run": True, "recipe": recipe.dump()})
        say(f"would refine `{escape(str(base))}` for {window} in {recipe.plan().steps} steps")
        return
    folder, outcome = begin(recipe, out, devices=devices, callback=callback)
    tell(folder, outcome, as_json=as_json)
