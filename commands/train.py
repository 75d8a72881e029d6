"""Any training, from a recipe."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands._console import emit_json, emit_table, error_record, escape, say, say_compute
from commands._options import AsJson, Devices, DryRun, Nodes, Settings
from commands._training import make_callback, print_outcome

if TYPE_CHECKING:
    from engine.app.train import SeriesForecast, TrainingForecast
    from engine.core.errors import TmError

HELP = "Train from a recipe: networks, an ageing prior, a person."
EXAMPLE = "tm train --recipe nano/identity --out runs/identity"
FROM_NOTHING = (
    "tm prep synth me --people 1 --seed 900010 --ages 20..50 --per-person 60 --size 128 &&"
    " tm train --recipe nano/two_stage --photos me"
)
MEBIBYTE = 1 << 20
PLACES = {"photos": "DIR", "bank": "FILE"}
"""How the help names what the options of data take."""


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
    devices: Devices = None,
    nodes: Nodes = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="With --dry-run: what of the recipe fits into `8GB`, and how."
        ),
    ] = None,
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
    from engine.app.train import compute_of, forecast_training, is_child, parse_memory, train
    from engine.core.errors import MissingWeightsError, RecipeError, UsageError

    if list_recipes:
        _list(as_json)
        return
    if recipe is None:
        raise UsageError(
            "which recipe?", hint=f"`tm train --list` shows them; type `{EXAMPLE}`, which runs"
        )
    given = {"start": start, "photos": photos, "bank": bank, "device": device}
    options = [
        f"{key}={json.dumps(str(value), ensure_ascii=False)}"
        for key, value in given.items()
        if value is not None
    ]
    overrides = [*(settings or ()), *options]
    if memory is not None and not dry_run:
        raise UsageError("`--memory` asks for an estimate", hint="add `--dry-run`")
    limit = None if memory is None else parse_memory(memory)
    if dry_run:
        forecast = forecast_training(recipe, overrides, out=out, devices=devices, nodes=nodes)
        if isinstance(forecast.fault, MissingWeightsError | RecipeError):
            _explain(forecast.fault, recipe, overrides)
        _print_forecast(forecast, as_json, limit)
        if forecast.fault is not None:
            raise forecast.fault
        return
    if not is_child():
        say_compute(compute_of(recipe, overrides))
    try:
        folder, outcome = train(
            recipe, overrides, out=out, devices=devices, nodes=nodes, callback=make_callback
        )
    except (MissingWeightsError, RecipeError) as error:
        _explain(error, recipe, overrides)
        raise
    print_outcome(folder, outcome, as_json=as_json)


def _explain(error: "TmError", recipe: str, overrides: Sequence[str]) -> None:
    """Let an error about missing weights or data also say what to type next."""
    from engine.app.train import needs_of

    needs = needs_of(recipe, overrides)
    if not needs.data:
        return
    missing = " ".join(
        f"--{key} {PLACES[key]}" if key in PLACES else f"--set {key}=\"'DIR'\""
        for key in needs.data
    )
    lines = [error.hint, f"type `tm train --recipe {needs.recipe} {missing}`"]
    if needs.free is not None:
        lines.append(f"`{needs.free}` is the same on networks in the package")
    if needs.kind == "personal":
        lines.append(f"with nothing at hand, `{FROM_NOTHING}`")
    error.hint = "\n".join(line for line in lines if line)


def _list(as_json: bool) -> None:
    from engine.app.train import trainable_recipes

    rows = [(name, recipe.kind, recipe.about) for name, recipe in trainable_recipes().items()]
    if as_json:
        emit_json({"recipes": [{"name": n, "kind": k, "about": a} for n, k, a in rows]})
    else:
        emit_table(("recipe", "kind", "about"), rows)


def _print_forecast(
    forecast: "TrainingForecast | SeriesForecast", as_json: bool, limit: int | None
) -> None:
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
        emit_json(_record(forecast, limit))
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
    _print_peak(forecast, limit)
    for line in (*cost.remarks, *cost.data, *([forecast.about] if forecast.about else [])):
        say(escape(line))


def _print_peak(forecast: "TrainingForecast", limit: int | None) -> None:
    """The estimated peak, and what fits into the limit."""
    from engine.app.train import recipes_within

    if not forecast.ways:
        if limit is not None:
            say(f"trainings of kind `{forecast.kind}` do not say what their activations take")
        return
    say(f"peak: about {forecast.ways[0].peak / MEBIBYTE:,.0f} MiB")
    if limit is None:
        return
    size = f"{limit / MEBIBYTE:,.0f} MiB"
    if (way := forecast.within(limit)) is None:
        say(f"no setting of this recipe fits into {size}")
        for name, peak in recipes_within(limit, forecast.kind):
            say(f"  `{name}` does: about {peak / MEBIBYTE:,.0f} MiB")
    elif not way.settings:
        say(f"it fits into {size} as it is")
    else:
        line = " ".join(f"--set {setting}" for setting in way.settings)
        say(f"it fits into {size} by `{line}`: about {way.peak / MEBIBYTE:,.0f} MiB")


def _record(forecast: "TrainingForecast", limit: int | None) -> dict[str, Any]:
    cost = forecast.cost
    way = None if limit is None else forecast.within(limit)
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
        "peak_bytes": forecast.ways[0].peak if forecast.ways else None,
        "fits": None if way is None else {"set": list(way.settings), "peak_bytes": way.peak},
        "disk_bytes": cost.disk,
        "remarks": list(cost.remarks),
        **error_record(forecast.fault),
    }
