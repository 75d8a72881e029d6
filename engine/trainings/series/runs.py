"""Run a series of trainings: finished runs are kept, started ones are resumed."""

from pathlib import Path

from engine.config.base import Recipe
from engine.config.load import load_recipe, load_recipe_as
from engine.config.write import recipe_toml
from engine.core.atomic import write_text
from engine.core.errors import RecipeError, UsageError
from engine.runtime.device import Device
from engine.training.extension import Extension
from engine.training.latest import link_latest
from engine.training.launch import (
    RUNS,
    MakeCallback,
    last_step,
    resume_run,
    run_exists,
    start_run,
)
from engine.training.launcher import shape
from engine.training.loop import Outcome
from engine.training.recipe import TrainingRecipe
from engine.training.run_folder import RECIPE, RunFolder, fresh_folder, holds_run
from engine.trainings.series.recipe import SERIES_FOLDER, Member, SeriesRecipe


def is_series(folder: Path) -> bool:
    """Whether a folder holds a series of runs."""
    return (folder / RECIPE).is_file() and isinstance(load_recipe(folder / RECIPE), SeriesRecipe)


def members(series: SeriesRecipe, folder: Path) -> list[tuple[Path, TrainingRecipe]]:
    """The folder and the recipe of every training; RecipeError lists the faults of the first."""
    return [(folder / member.folder, _recipe_of(member, folder, series)) for member in series.run]


def run_progress(folder: Path) -> list[tuple[str, int, int]]:
    """Name, steps done and steps in all of a run, or of every run of a series."""
    if is_series(folder):
        runs = members(load_recipe_as(SeriesRecipe, folder / RECIPE), folder)
    else:
        RunFolder(folder).environment()
        runs = [(folder, load_recipe_as(TrainingRecipe, folder / RECIPE))]
    return [(path.name, last_step(path), recipe.total_steps) for path, recipe in runs]


def start_any(
    recipe: Recipe,
    out: Path | None,
    *,
    devices: int | None = None,
    nodes: int | None = None,
    callback: MakeCallback,
) -> tuple[Path, Outcome]:
    """Train a recipe or a series in `out`, or in a new folder below `runs/`."""
    if isinstance(recipe, TrainingRecipe):
        return start_run(recipe, out, devices=devices, nodes=nodes, callback=callback)
    if not isinstance(recipe, SeriesRecipe):
        raise RecipeError(f"a recipe of kind `{recipe.kind}` trains nothing")
    _require_one_process(devices, nodes)
    folder = out if out is not None else fresh_folder(RUNS, recipe.name)
    if holds_run(folder) or (folder / RECIPE).exists():
        raise run_exists(folder)
    members(recipe, folder)  # every fault now, not after an hour
    write_text(folder / RECIPE, recipe_toml(recipe))
    link_latest(folder, callback(True))
    return folder, _train_members(recipe, folder, callback)


def resume_any(
    folder: Path,
    *,
    until: int | None,
    callback: MakeCallback,
    device: Device | None = None,
    devices: int | None = None,
    nodes: int | None = None,
    extension: Extension | None = None,
    accept_changes: bool = False,
) -> Outcome:
    """Continue a training, or a series from its first unfinished run on; arguments of resume_run.

    UsageError for a series with what is for a single run.
    """
    if not is_series(folder):
        return resume_run(
            folder,
            until=until,
            callback=callback,
            device=device,
            devices=devices,
            nodes=nodes,
            extension=extension,
            accept_changes=accept_changes,
        )
    _require_one_process(devices, nodes)
    for name, given in (("until", until), ("steps", extension), ("accept-changes", accept_changes)):
        if given:
            raise UsageError(f"`--{name}` is for a single run", hint="resume a run of the series")
    series = load_recipe_as(SeriesRecipe, folder / RECIPE)
    if device is not None:
        series = series.model_copy(update={"device": device})
    return _train_members(series, folder, callback, device)


def _require_one_process(devices: int | None, nodes: int | None) -> None:
    if shape(devices, nodes) != (1, 1):
        raise UsageError("a series runs in one process: train its runs one by one")


def _train_members(
    series: SeriesRecipe, folder: Path, callback: MakeCallback, device: Device | None = None
) -> Outcome:
    runs = members(series, folder)
    outcome = Outcome(runs[-1][1].total_steps, "finished", None, 0.0)
    for path, recipe in runs:
        if not holds_run(path):
            _, outcome = start_run(recipe, path, callback=callback)
        elif last_step(path) < recipe.total_steps:
            outcome = resume_run(path, until=None, callback=callback, device=device)
        if outcome.ended != "finished":
            break
    return outcome


def _recipe_of(member: Member, folder: Path, series: SeriesRecipe) -> TrainingRecipe:
    settings = [setting.replace(SERIES_FOLDER, folder.as_posix()) for setting in member.set]
    settings += [f"device='{series.device}'"] if series.device is not None else []
    settings += [f"licences='{series.licences}'"] if series.licences != "any" else []
    return load_recipe_as(TrainingRecipe, member.recipe, settings)
