"""`tm oneshot`: refine a personal model for one age."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.config.load import load_recipe
from engine.core.dry_run import checks_only
from engine.core.errors import UsageError
from engine.core.numbers import AgeWindow
from engine.training.callbacks import SilentCallback
from engine.training.launch import RUNS, MakeCallback, start_run
from engine.training.loop import Outcome
from engine.training.run_folder import RECIPE, holds_run
from engine.trainings.personal.gain import settle
from engine.trainings.personal.oneshot import (
    NoRunError,
    has_two_stages,
    newest_run,
    oneshot_recipe,
    read_personal,
    window_around,
)
from engine.trainings.personal.recipe import PersonalRecipe
from engine.trainings.photo_personal.recipe import PhotoPersonalRecipe

__all__ = ["NoRunError", "OneShot", "plan_oneshot"]


@dataclass(frozen=True, slots=True)
class OneShot:
    """A planned refinement: the run it starts from, the age window, and the recipe."""

    start: Path
    window: AgeWindow
    recipe: PersonalRecipe

    @property
    def kind_of_start(self) -> str:
        """`two stages` or `one stage`: what the run it starts from was."""
        return "two stages" if has_two_stages(read_personal(self.start)) else "one stage"

    def train(
        self,
        *,
        out: Path | None = None,
        devices: int | None = None,
        callback: MakeCallback = lambda first: SilentCallback(),
    ) -> tuple[Path, Outcome]:
        """Train it; arguments, result and errors as of `engine.app.train.train`.

        The run then delivers the start where the refinement gained nothing on held-out photos;
        `gain.json` in it says what was measured.
        """
        folder, outcome = start_run(self.recipe, out, devices=devices, callback=callback)
        settle(folder, outcome)
        return folder, outcome

    def check(self, *, out: Path | None = None, devices: int | None = None) -> None:
        """Raise what `train` would raise before it begins."""
        with checks_only():
            self.train(out=out, devices=devices)


def plan_oneshot(
    age: float,
    *,
    jitter: float = 2.0,
    start: Path | None = None,
    photos: Path | None = None,
    bank: Path | None = None,
    settings: Sequence[str] = (),
) -> OneShot:
    """Plan a refinement for `age` ± `jitter` years.

    start: the run to refine, as `newest_run` chooses it below `runs/` if None; photos, bank: those
    of that run if None; settings: `key=value`, over those of the recipe. NoRunError without a run;
    UsageError for an age outside 0..120, or for a run of `photo_personal`, which has no use for
    it; RecipeError if `settings` leave the age window.
    """
    window = window_around(age, jitter)
    base = start if start is not None else newest_run(RUNS)
    if holds_run(base) and isinstance(load_recipe(base / RECIPE), PhotoPersonalRecipe):
        raise UsageError(
            f"`{base}` needs no one-shot: at every age it rests most on the photographs near it",
            hint=f"`tm infer PHOTO --weights {base} --ages {age:g}` shows the person at that age",
        )
    recipe = oneshot_recipe(window, base, photos=photos, bank=bank, settings=tuple(settings))
    return OneShot(base, window, recipe)
