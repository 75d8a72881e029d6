"""A series of trainings: what is finished stands, what was begun goes on."""

from collections.abc import Callable
from pathlib import Path

from engine.config.base import Recipe
from engine.config.load import load_recipe, load_recipe_as
from engine.config.write import recipe_toml
from engine.core.atomic import write_text
from engine.core.errors import RecipeError, UsageError
from engine.training.callbacks import Callback
from engine.training.latest import point_to
from engine.training.launch import RUNS, already_there, begin, resume, stands_at
from engine.training.loop import Outcome
from engine.training.recipe import TrainingRecipe
from engine.training.run_folder import RECIPE, RunFolder, fresh_folder, holds_run
from engine.trainings.series.recipe import HERE, Member, SeriesRecipe


def is_series(folder: Path) -> bool:
    """Whether a folder holds a series of runs."""
    return (folder / RECIPE).is_file() and isinstance(load_recipe(folder / RECIPE), SeriesRecipe)


def members(series: SeriesRecipe, folder: Path) -> list[tuple[Path, TrainingRecipe]]:
    """The folder and the recipe of every training; RecipeError lists the faults of the first."""
    return [
        (folder / member.folder, _recipe_of(member, folder, series.device)) for member in series.run
    ]


def standing(folder: Path) -> list[tuple[str, int, int]]:
    """Name, steps done and steps in all of a run, or of every run of a series."""
    if is_series(folder):
        runs = members(load_recipe_as(SeriesRecipe, folder / RECIPE), folder)
    else:
        RunFolder(folder).environment()
        runs = [(folder, load_recipe_as(TrainingRecipe, folder / RECIPE))]
    return [(place.name, stands_at(place), recipe.plan().steps) for place, recipe in runs]


def begin_any(
    recipe: Recipe, out: Path | None, *, devices: int, callback: Callable[[bool], Callback]
) -> tuple[Path, Outcome]:
    """Start a training or a series in `out`, or in a new folder below `runs/`."""
    if isinstance(recipe, TrainingRecipe):
        return begin(recipe, out, devices=devices, callback=callback)
    if not isinstance(recipe, SeriesRecipe):
        raise RecipeError(f"a recipe of kind `{recipe.kind}` trains nothing")
    if devices > 1:
        raise UsageError("the runs of a series share no processes: train them one by one")
    folder = out if out is not None else fresh_folder(RUNS, recipe.name)
    if holds_run(folder) or (folder / RECIPE).exists():
        raise already_there(folder)
    members(recipe, folder)  # every fault now, not after an hour
    write_text(folder / RECIPE, recipe_toml(recipe))
    point_to(folder, callback(True))
    return folder, _go_through(recipe, folder, callback)


def resume_any(folder: Path, *, until: int | None, callback: Callable[[bool], Callback]) -> Outcome:
    """Go on with a training, or with the first of a series that is not finished."""
    if not is_series(folder):
        return resume(folder, until=until, callback=callback)
    if until is not None:
        raise UsageError("a series has no step of its own", hint="resume one of its runs")
    return _go_through(load_recipe_as(SeriesRecipe, folder / RECIPE), folder, callback)


def _go_through(
    series: SeriesRecipe, folder: Path, callback: Callable[[bool], Callback]
) -> Outcome:
    runs = members(series, folder)
    outcome = Outcome(runs[-1][1].plan().steps, "finished", None, 0.0)
    for place, recipe in runs:
        if not holds_run(place):
            _, outcome = begin(recipe, place, devices=1, callback=callback)
        elif stands_at(place) < recipe.plan().steps:
            outcome = resume(place, until=None, callback=callback)
        if outcome.ended != "finished":
            break
    return outcome


def _recipe_of(member: Member, folder: Path, device: str | None) -> TrainingRecipe:
    settings = [setting.replace(HERE, folder.as_posix()) for setting in member.set]
    settings += [f"device='{device}'"] if device is not None else []
    return load_recipe_as(TrainingRecipe, member.recipe, settings)
