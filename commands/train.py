"""Any training, from a recipe."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from commands._console import emit_json, emit_table, say
from commands._options import AsJson, DryRun, Settings
from commands._training import callback, tell

if TYPE_CHECKING:
    from engine.config.base import Recipe
    from engine.training.forecast import Forecast

HELP = "Train from a recipe: networks, an ageing prior, a person."
EXAMPLE = "tm train --recipe nano/identity --out runs/identity"
MEBIBYTE = 1 << 20


def run(
    recipe: Annotated[
        str | None, typer.Option(help="A path, or the name of a shipped recipe.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Weights to begin from: a run, a file, a name.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="A person's aligned photos, for recipes that take them.")
    ] = None,
    bank: Annotated[
        Path | None, typer.Option(help="A bank of impostors, for recipes that take one.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run.", show_default="a new one in runs/")
    ] = None,
    devices: Annotated[int, typer.Option(min=1, help="Processes that share the work.")] = 1,
    list_them: Annotated[bool, typer.Option("--list", help="List the recipes to train.")] = False,
    settings: Settings = None,
    device: Annotated[
        str | None, typer.Option(help="Where to compute.", show_default="as the recipe says")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.config.load import load_recipe
    from engine.core.errors import UsageError
    from engine.trainings.series.runs import begin_any

    if list_them:
        _list(as_json)
        return
    if recipe is None:
        raise UsageError("which recipe?", hint="`tm train --list` shows them")
    overrides = [*(settings or ())]
    given = {"start": start, "photos": photos, "bank": bank, "device": device}
    overrides += [
        f"{key}={_quoted(str(value))}" for key, value in given.items() if value is not None
    ]
    loaded = load_recipe(recipe, overrides)
    if dry_run:
        _forecast(loaded, as_json)
        return
    folder, outcome = begin_any(loaded, out, devices=devices, callback=callback)
    tell(folder, outcome, as_json=as_json)


def _quoted(text: str) -> str:
    """A TOML string."""
    return json.dumps(text, ensure_ascii=False)


def _list(as_json: bool) -> None:
    from engine.config.find import shipped_recipes
    from engine.config.load import load_recipe
    from engine.training.recipe import TrainingRecipe
    from engine.trainings.series.recipe import SeriesRecipe

    trained = (TrainingRecipe, SeriesRecipe)
    recipes = {name: load_recipe(path) for name, path in shipped_recipes().items()}
    rows = [(n, r.kind, r.about) for n, r in recipes.items() if isinstance(r, trained)]
    if as_json:
        emit_json({"recipes": [{"name": n, "kind": k, "about": a} for n, k, a in rows]})
    else:
        emit_table(("recipe", "kind", "about"), rows)


def _forecast(loaded: "Recipe", as_json: bool) -> None:
    from engine.core.errors import RecipeError
    from engine.training.forecast import forecast
    from engine.training.recipe import TrainingRecipe
    from engine.trainings.series.recipe import SeriesRecipe
    from engine.trainings.series.runs import members

    if isinstance(loaded, SeriesRecipe):
        rows = [(p.name, r.kind, r.plan().steps) for p, r in members(loaded, Path())]
        if as_json:
            runs = [{"run": n, "kind": k, "steps": s} for n, k, s in rows]
            emit_json({"dry_run": True, "recipe": loaded.name, "runs": runs})
        else:
            emit_table(("run", "kind", "steps"), rows, title=loaded.name)
        return
    if not isinstance(loaded, TrainingRecipe):
        raise RecipeError(f"a recipe of kind `{loaded.kind}` trains nothing")
    seen, data = forecast(loaded), list(loaded.preview())
    if as_json:
        emit_json({"dry_run": True, "recipe": loaded.name, "data": data, **_told(seen)})
        return
    rows = [
        (phase.name, f"{phase.steps:,}", ", ".join(phase.trainable), f"{phase.parameters:,}")
        for phase in seen.phases
    ]
    emit_table(("phase", "steps", "learns", "parameters"), rows, title=loaded.name)
    courses = [(name, *(f"{v:.3g}" for v in values)) for name, values in seen.schedules.items()]
    emit_table(("schedule", "start", "25 %", "50 %", "75 %", "end"), courses)
    say(
        f"memory: {seen.memory / MEBIBYTE:,.0f} MiB for weights, gradients, optimizer and averages,"
        f" and what a batch of {loaded.batch} keeps; disk: {seen.disk / MEBIBYTE:,.0f} MiB"
    )
    about = [loaded.about] if loaded.about else []
    for remark in [*seen.remarks, *data, *about]:
        say(escape(remark))


def _told(seen: "Forecast") -> dict[str, Any]:
    return {
        "phases": [
            {
                "name": phase.name,
                "steps": phase.steps,
                "trainable": list(phase.trainable),
                "parameters": phase.parameters,
            }
            for phase in seen.phases
        ],
        "schedules": {name: list(values) for name, values in seen.schedules.items()},
        "memory_bytes": seen.memory,
        "disk_bytes": seen.disk,
        "remarks": list(seen.remarks),
    }
