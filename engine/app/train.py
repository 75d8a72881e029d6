"""`tm train`: train a recipe or a series, or forecast it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.app.compute import describe_compute
from engine.config.base import Recipe
from engine.config.find import find_recipe, shipped_recipes
from engine.config.load import load_recipe
from engine.core.dry_run import checks_only
from engine.core.errors import RecipeError, TmError
from engine.training.callbacks import Callback, SilentCallback, TrainProgress
from engine.training.forecast import Forecast, forecast
from engine.training.identity_trend import identity_trend
from engine.training.launch import MakeCallback
from engine.training.launcher import is_child
from engine.training.loop import Outcome
from engine.training.memory_fit import Fit, fits, parse_memory, peak_of
from engine.training.recipe import TrainingRecipe
from engine.trainings.personal.gain import read_gain
from engine.trainings.series.recipe import SeriesRecipe
from engine.trainings.series.runs import members, start_any

__all__ = [
    "Callback",
    "Outcome",
    "SeriesForecast",
    "SilentCallback",
    "TrainProgress",
    "TrainingForecast",
    "compute_of",
    "forecast_training",
    "identity_trend",
    "is_child",
    "parse_memory",
    "read_gain",
    "recipes_within",
    "train",
    "trainable_recipes",
]


@dataclass(frozen=True, slots=True)
class TrainingForecast:
    """The cost of one training; batch: pictures of a step; fault: what would end it at once."""

    recipe: str
    kind: str
    about: str
    batch: int
    cost: Forecast
    fault: TmError | None
    ways: Sequence[Fit]
    """The recipe as it is, then settings with which it takes less memory; empty if unknown."""

    def within(self, memory: int) -> Fit | None:
        """The first of the ways that fits into so many bytes."""
        return next((way for way in self.ways if way.peak <= memory), None)


@dataclass(frozen=True, slots=True)
class SeriesForecast:
    """Name, kind and steps of every run of a series; fault: as of one training."""

    recipe: str
    runs: tuple[tuple[str, str, int], ...]
    fault: TmError | None


def train(
    recipe: str | Path,
    settings: Sequence[str] = (),
    *,
    out: Path | None = None,
    devices: int | None = None,
    nodes: int | None = None,
    callback: MakeCallback = lambda first: SilentCallback(),
) -> tuple[Path, Outcome]:
    """Train a recipe, or a series of recipes, to its end.

    recipe: a path, or the name of a shipped recipe; settings: `key=value`, over those of the
    recipe; out: folder of the run, a new one below `runs/` if None; devices: processes that share
    the batch on each machine, nodes: machines, both one, or as torchrun or SLURM started them
    (`engine/training/launcher.py`); callback: makes the callback of each process, from whether it
    is the first one.

    Returns the folder of the run and how it ended. RecipeError lists all faults of a recipe;
    UsageError for missing data or a folder that holds a run; DivergedError after too many
    non-finite steps. Ctrl-C and SIGTERM end the run after a saved step.
    """
    return start_any(
        load_recipe(recipe, settings), out, devices=devices, nodes=nodes, callback=callback
    )


def compute_of(recipe: str | Path, settings: Sequence[str] = ()) -> str:
    """What a recipe is trained on, in one line; errors as of `train`."""
    loaded = load_recipe(recipe, settings)
    if isinstance(loaded, TrainingRecipe):
        return describe_compute(loaded.device, loaded.precision)
    return describe_compute(getattr(loaded, "device", None) or "auto")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a recipe needs beside what was given.

    recipe: its full name, or its path; kind: of training; data: keys of data that it lacks; free:
    the recipe of the same training on the networks in the package, which needs no weights, None if
    there is none.
    """

    recipe: str
    kind: str
    data: tuple[str, ...]
    free: str | None


def needs_of(recipe: str | Path, settings: Sequence[str] = ()) -> Needs:
    """What a recipe still needs; RecipeError for a faulty one."""
    path, loaded, shipped = (
        find_recipe(str(recipe)),
        load_recipe(recipe, settings),
        shipped_recipes(),
    )
    name = next((full for full, file in shipped.items() if file == path), str(path))
    data = loaded.missing_data() if isinstance(loaded, TrainingRecipe) else ()
    twin = f"nano/{path.stem}"
    free = twin if twin in shipped and name != twin else None
    return Needs(name, loaded.kind, tuple(data), free)


def forecast_training(
    recipe: str | Path,
    settings: Sequence[str] = (),
    *,
    out: Path | None = None,
    devices: int | None = None,
    nodes: int | None = None,
) -> TrainingForecast | SeriesForecast:
    """Estimate parameters, schedules, memory and disk of a training; reads no picture.

    RecipeError and UsageError as of `train`; what else would end it at its start, such as missing
    data, is the fault of the forecast. out, devices, nodes: as of `train`.
    """
    loaded = load_recipe(recipe, settings)
    if isinstance(loaded, SeriesRecipe):
        runs = [(path.name, run.kind, run.total_steps) for path, run in members(loaded, Path())]
        return SeriesForecast(loaded.name, tuple(runs), _fault(loaded, out, devices, nodes))
    if not isinstance(loaded, TrainingRecipe):
        raise RecipeError(f"a recipe of kind `{loaded.kind}` trains nothing")
    cost, fault = forecast(loaded), _fault(loaded, out, devices, nodes)
    ways = fits(cost, batch=loaded.batch, accumulate=loaded.accumulate, recompute=loaded.recompute)
    return TrainingForecast(loaded.name, loaded.kind, loaded.about, loaded.batch, cost, fault, ways)


def recipes_within(memory: int, kind: str) -> list[tuple[str, int]]:
    """The shipped recipes of a kind that fit into so many bytes as they are, with their peaks."""
    fitting: list[tuple[str, int]] = []
    for name, recipe in trainable_recipes().items():
        if isinstance(recipe, TrainingRecipe) and recipe.kind == kind:
            peak = peak_of(
                forecast(recipe), batch=recipe.batch, of=recipe.batch, recompute=recipe.recompute
            )
            if peak is not None and peak <= memory:
                fitting.append((name, peak))
    return fitting


def _fault(
    recipe: Recipe, out: Path | None, devices: int | None, nodes: int | None
) -> TmError | None:
    try:
        with checks_only():
            start_any(
                recipe, out, devices=devices, nodes=nodes, callback=lambda first: SilentCallback()
            )
    except TmError as error:
        return error
    return None


def trainable_recipes() -> dict[str, Recipe]:
    """The shipped recipes that can be trained, by full name."""
    recipes = {name: load_recipe(path) for name, path in shipped_recipes().items()}
    kinds = (TrainingRecipe, SeriesRecipe)
    return {name: recipe for name, recipe in recipes.items() if isinstance(recipe, kinds)}
