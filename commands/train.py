"""Any training, from a recipe."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands._console import emit_json, emit_table, error_record, escape, say
from commands._options import AsJson, DryRun, Settings
from commands._training import make_callback, print_outcome

if TYPE_CHECKING:
    from engine.app.train import SeriesForecast, TrainingForecast

HELP = "Train from a recipe: networks, an ageing prior, a person."
EXAMPLE = "tm train --recipe nano/identity --out runs/identity"
MEBIBYTE = 1 << 20


def run(
    recipe: Annotated[
        str | None, typer.Option(help="A path, or the name of a shipped recipe.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Weights to start from: a run, a file, a name.")
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(help="Dated photos of a person, or of many, for recipes that take them."),
    ] = None,
    bank: Annotated[
        Path | None, typer.Option(help="A bank of impostors, for recipes that take one.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run.", show_default="a new one in runs/")
    ] = None,
    devices: Annotated[int, typer.Option(min=1, help="Processes that share the batch.")] = 1,
    list_recipes: Annotated[
        bool, typer.Option("--list", help="List the recipes that can be trained.")
    ] = False,
    settings: Settings = None,
    device: Annotated[
        str | None, typer.Option(help="Where to compute.", show_default="as the recipe says")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.train import forecast_training, train
    from engine.core.errors import UsageError

    if list_recipes:
        _list(as_json)
        return
    if recipe is None:
        raise UsageError("which recipe?", hint="`tm train --list` shows them")
    given = {"start": start, "photos": photos, "bank": bank, "device": device}
    options = [
        f"{key}={json.dumps(str(value), ensure_ascii=False)}"
        for key, value in given.items()
        if value is not None
    ]
    overrides = [*(settings or ()), *options]
    if dry_run:
        forecast = forecast_training(recipe, overrides, out=out, devices=devices)
        _print_forecast(forecast, as_json)
        if forecast.fault is not None:
            raise forecast.fault
        return
    folder, outcome = train(recipe, overrides, out=out, devices=devices, callback=make_callback)
    print_outcome(folder, outcome, as_json=as_json)


def _list(as_json: bool) -> None:
    from engine.app.train import trainable_recipes

    rows = [(name, recipe.kind, recipe.about) for name, recipe in trainable_recipes().items()]
    if as_json:
        emit_json({"recipes": [{"name": n, "kind": k, "about": a} for n, k, a in rows]})
    else:
        emit_table(("recipe", "kind", "about"), rows)


def _print_forecast(forecast: "TrainingForecast | SeriesForecast", as_json: bool) -> None:
    from engine.app.train import SeriesForecast

    if isinstance(forecast, SeriesForecast):
        if as_json:
            runs = [
                {"run": name, "kind": kind, "steps": steps} for name, kind, steps in forecast.runs
            ]
            record = {"dry_run": True, "recipe": forecast.recipe, "runs": runs}
            emit_json({**record, **error_record(forecast.fault)})
        else:
            emit_table(("run", "kind", "steps"), forecast.runs, title=forecast.recipe)
        return
    if as_json:
        emit_json(_record(forecast))
        return
    cost = forecast.cost
    rows = [
        (phase.name, f"{phase.steps:,}", ", ".join(phase.trainable), f"{phase.parameters:,}")
        for phase in cost.phases
    ]
    emit_table(("phase", "steps", "trainable", "parameters"), rows, title=forecast.recipe)
    curves = [(name, *(f"{v:.3g}" for v in values)) for name, values in cost.schedules.items()]
    if curves:
        emit_table(("schedule", "start", "25 %", "50 %", "75 %", "end"), curves)
    say(
        f"memory: {cost.memory / MEBIBYTE:,.0f} MiB for weights, gradients, optimizer and averages,"
        f" and activations of a batch of {forecast.batch}; disk: {cost.disk / MEBIBYTE:,.0f} MiB"
    )
    for line in (*cost.remarks, *cost.data, *([forecast.about] if forecast.about else [])):
        say(escape(line))


def _record(forecast: "TrainingForecast") -> dict[str, Any]:
    cost = forecast.cost
    return {
        "dry_run": True,
        "recipe": forecast.recipe,
        "data": list(cost.data),
        "phases": [
            {
                "name": phase.name,
                "steps": phase.steps,
                "trainable": list(phase.trainable),
                "parameters": phase.parameters,
            }
            for phase in cost.phases
        ],
        "schedules": {name: list(values) for name, values in cost.schedules.items()},
        "memory_bytes": cost.memory,
        "disk_bytes": cost.disk,
        "remarks": list(cost.remarks),
        **error_record(forecast.fault),
    }
