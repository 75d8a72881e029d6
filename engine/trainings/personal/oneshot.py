"""A short refinement of a personal model, locked on one age."""

from pathlib import Path

from engine.config.load import load_recipe, load_recipe_as
from engine.core.errors import RecipeError, UsageError
from engine.core.numbers import AgeWindow, Span
from engine.data.targets.fixed import Fixed
from engine.losses.face.contrastive_id import ContrastiveId
from engine.training.latest import LATEST
from engine.training.launch import last_step
from engine.training.run_folder import RECIPE, holds_run
from engine.trainings.personal.recipe import PersonalRecipe

NARROWEST = 2.0
"""Years on each side of the age from which impostors are taken, however exact the age is."""
NEAR = 5.0
"""Years around the window whose photos are in the training."""
BASES = {"photos": "mytm/oneshot_40", "portraits": "nano/oneshot_40"}


class NoRunError(UsageError):
    """There is no run that a one-shot could start from."""


def newest_run(runs: Path) -> Path:
    """The personal run of two stages below `runs` that finished last, else one of one stage.

    One-shots are left out: refined again they are not what the person was at other ages. NoRunError
    where there is none, which names the newest one-shot.
    """
    folders = runs.iterdir() if runs.is_dir() else ()
    finished: list[tuple[int, int, Path]] = []
    for folder in folders:
        if folder.name == LATEST or not holds_run(folder):
            continue
        recipe = load_recipe(folder / RECIPE)
        if isinstance(recipe, PersonalRecipe) and last_step(folder) >= recipe.total_steps:
            rank = -1 if is_oneshot(recipe) else int(has_two_stages(recipe))
            finished.append((rank, (folder / "metrics.jsonl").stat().st_mtime_ns, folder))
    rank, _, newest = max(finished, default=(-1, 0, None))
    if newest is None:
        raise NoRunError(
            f"there is no finished personal run in `{runs}`",
            hint="train one, or name one to start from by `--from RUN`",
        )
    if rank < 0:
        window = load_recipe_as(PersonalRecipe, newest / RECIPE).targets
        age = window.age if isinstance(window, Fixed) else ""
        raise NoRunError(
            f"`{runs}` holds only one-shots, the newest of them, `{newest}`, for {age}",
            hint=f"`--from {newest}` refines it all the same",
        )
    return newest


def is_oneshot(recipe: PersonalRecipe) -> bool:
    """Whether a personal run is locked on one age."""
    return isinstance(recipe.targets, Fixed)


def has_two_stages(recipe: PersonalRecipe) -> bool:
    """Whether a personal run has two phases, or began from a personal run."""
    if len(recipe.phases) > 1:
        return True
    start = Path(recipe.start) if recipe.start is not None else None
    return start is not None and holds_run(start)


def read_personal(run: Path) -> PersonalRecipe:
    """The recipe of a personal run; UsageError or RecipeError for any other folder."""
    if not holds_run(run):
        raise UsageError(f"`{run}` holds no run", hint="give the folder of a training")
    return load_recipe_as(PersonalRecipe, run / RECIPE)


def window_around(age: float, jitter: float) -> AgeWindow:
    """The age window of a one-shot; UsageError for ages outside 0..120."""
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

    Target ages, miner, contrastive loss and validation are locked to the window; RecipeError where
    `settings` break the lock.
    """
    before = read_personal(start)
    low, high = window.span
    values = {
        "name": f"oneshot_{window.age:g}",
        "about": f"One-shot refinement of {start.name}, locked on {window}",
        "start": str(start),
        "photos": str(photos) if photos is not None else before.photos,
        "bank": str(bank) if bank is not None else before.bank,
        "targets.age": str(window),
        "photo_ages": f"{max(low - NEAR, 0):g}..{high + NEAR:g}",
        "miner.ages": f"{low:g}..{high:g}",
        "miner.impostors": str(_impostors(window)),
        "loss.contrastive_id.youngest": low,
        "loss.contrastive_id.oldest": high,
        "validation.at": sorted({low, window.age, high}),
        "validation.beyond": [],
    }
    locked = [f"{key}={_toml(value)}" for key, value in values.items() if value is not None]
    recipe = load_recipe_as(PersonalRecipe, BASES[before.domain], (*locked, *settings))
    require_lock(recipe, window)
    return recipe


def require_lock(recipe: PersonalRecipe, window: AgeWindow) -> None:
    """RecipeError if the recipe targets, mines or validates an age outside the window."""
    low, high = window.span
    if not isinstance(recipe.targets, Fixed) or recipe.targets.age != window:
        raise RecipeError(f"the target ages are not locked on {window}")
    ages = recipe.miner.ages if recipe.miner is not None else None
    if recipe.miner is not None and (ages is None or ages.low < low or ages.high > high):
        raise RecipeError(f"the miner reaches outside {low:g}..{high:g}")
    validated = (*recipe.validation.at, *recipe.validation.beyond)
    if not validated or not all(low <= age <= high for age in validated):
        raise RecipeError(f"the validation has ages outside {low:g}..{high:g}")
    for loss in recipe.loss:
        ends = (loss.youngest, loss.oldest) if isinstance(loss, ContrastiveId) else (low, high)
        if None in ends or not all(low <= end <= high for end in ends if end is not None):
            raise RecipeError(f"the loss `{loss.name}` reaches beyond {low:g}..{high:g}")


def _impostors(window: AgeWindow) -> Span:
    """The ages of the impostors: those of the window, which is too narrow to hold many if exact."""
    jitter = max(window.jitter, NARROWEST)
    return Span(max(window.age - jitter, 0), window.age + jitter)


def _toml(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else f"{value}"
