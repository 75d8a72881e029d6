"""A short refinement of a personal model, locked on one age."""

from pathlib import Path

from engine.config.load import load_recipe, load_recipe_as
from engine.core.errors import RecipeError, UsageError
from engine.core.numbers import AgeWindow
from engine.data.targets.fixed import Fixed
from engine.losses.face.contrastive_id import ContrastiveId
from engine.training.latest import LATEST
from engine.training.launch import stands_at
from engine.training.recipe import TrainingRecipe
from engine.training.run_folder import RECIPE, holds_run
from engine.trainings.personal.recipe import PersonalRecipe

NEAR = 5.0
"""Years around the window from which photos are learned."""
BASES = {"photos": "mytm/oneshot_40", "portraits": "nano/oneshot_40"}


def newest_run(runs: Path) -> Path:
    """The personal run below `runs` that finished last; UsageError where there is none."""
    there = runs.iterdir() if runs.is_dir() else ()
    found = [folder for folder in there if folder.name != LATEST and holds_run(folder)]
    finished: list[Path] = []
    for folder in found:
        recipe = load_recipe(folder / RECIPE)
        if isinstance(recipe, PersonalRecipe) and _ended(folder, recipe):
            finished.append(folder)
    if not finished:
        raise UsageError(
            f"there is no finished personal run in `{runs}`", hint="name one to begin from"
        )
    return max(finished, key=lambda folder: (folder / "metrics.jsonl").stat().st_mtime_ns)


def window_around(age: float, jitter: float) -> AgeWindow:
    """The window of a one-shot; UsageError for ages that nobody has."""
    try:
        return AgeWindow.parse(f"{age:g}±{jitter:g}")
    except ValueError as error:
        raise UsageError(f"{error}") from None


def oneshot_recipe(
    window: AgeWindow,
    start: Path,
    *,
    photos: Path | None,
    bank: Path | None,
    settings: tuple[str, ...] = (),
) -> PersonalRecipe:
    """The recipe of a one-shot on the run `start`, with its photos and bank if none is given.

    Target ages, miner, contrastive loss and validation are locked to the window; `require_lock`
    says so.
    """
    if not holds_run(start):
        raise UsageError(f"`{start}` holds no run", hint="give the folder that a training left")
    before = load_recipe_as(PersonalRecipe, start / RECIPE)
    low, high = window.span
    told = {
        "name": f"oneshot_{window.age:g}",
        "about": f"One-shot refinement of {start.name}, locked on {window}",
        "start": str(start),
        "photos": str(photos) if photos is not None else before.photos,
        "bank": str(bank) if bank is not None else before.bank,
        "targets.age": str(window),
        "photo_ages": f"{max(low - NEAR, 0):g}..{high + NEAR:g}",
        "miner.ages": f"{low:g}..{high:g}",
        "loss.contrastive_id.youngest": low,
        "loss.contrastive_id.oldest": high,
        "validation.at": sorted({low, window.age, high}),
        "validation.beyond": [],
    }
    locked = [f"{key}={_toml(value)}" for key, value in told.items() if value is not None]
    recipe = load_recipe_as(PersonalRecipe, BASES[before.domain], (*locked, *settings))
    require_lock(recipe, window)
    return recipe


def require_lock(recipe: PersonalRecipe, window: AgeWindow) -> None:
    """RecipeError unless nothing in the recipe asks for, or mines at, an age outside the window."""
    low, high = window.span
    if not isinstance(recipe.targets, Fixed) or recipe.targets.age != window:
        raise RecipeError(f"the target ages are not locked on {window}")
    ages = recipe.miner.ages if recipe.miner is not None else None
    if recipe.miner is not None and (ages is None or ages.low < low or ages.high > high):
        raise RecipeError(f"the miner looks outside {low:g}..{high:g}")
    judged = (*recipe.validation.at, *recipe.validation.beyond)
    if not judged or not all(low <= age <= high for age in judged):
        raise RecipeError(f"the validation judges ages outside {low:g}..{high:g}")
    for loss in recipe.loss:
        ends = (loss.youngest, loss.oldest) if isinstance(loss, ContrastiveId) else (low, high)
        if None in ends or not all(low <= end <= high for end in ends if end is not None):
            raise RecipeError(f"the loss `{loss.name}` reaches beyond {low:g}..{high:g}")


def _ended(folder: Path, recipe: TrainingRecipe) -> bool:
    return stands_at(folder) >= recipe.plan().steps


def _toml(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else f"{value}"
