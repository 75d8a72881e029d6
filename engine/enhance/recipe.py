"""Recipes for enhancing old photos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny

from engine.config.base import RECIPES, Recipe
from engine.config.load import load_recipe_as
from engine.core.table import one_of
from engine.enhance.album import Album
from engine.enhance.base import ENHANCERS, StepChoice
from engine.enhance.guard import GuardLimits
from engine.faces.detect import Detection
from engine.images.reading import MAX_MEGAPIXELS

StepValue = Annotated[
    SerializeAsAny[StepChoice],
    one_of(ENHANCERS, short=lambda value: {"kind": value} if isinstance(value, str) else value),
]


@RECIPES.register("enhance")
class EnhanceRecipe(Recipe):
    """A chain of steps and the guard over it."""

    kind: Literal["enhance"] = "enhance"  # pyright: ignore[reportIncompatibleVariableOverride]
    steps: tuple[StepValue, ...]
    """In this order: names, or tables with `kind` and the keys of the step."""
    guard: GuardLimits = GuardLimits()
    detection: Detection = Detection()
    album: Album = Album()
    side: int | None = Field(default=None, ge=16)
    """Long side that results are shrunk to; as large as they come out if absent."""
    force: bool = False
    """Let networks that know drawn portraits work on photographs, too."""
    max_megapixels: float = Field(default=MAX_MEGAPIXELS, gt=0)
    max_output_megapixels: float = Field(default=1_000.0, gt=0)


def load_enhance(
    name: str | Path,
    settings: Sequence[str] = (),
    *,
    steps: str | None = None,
    strength: float | None = None,
    outscale: int | None = None,
) -> EnhanceRecipe:
    """Find and check a recipe of this kind; `steps` (names with commas) replaces its chain,
    `strength` is that of every step, and `outscale` that of `esrgan`.
    """
    overrides = list(settings)
    if steps is not None:
        names = [part.strip() for part in steps.split(",") if part.strip()]
        overrides.insert(0, f"steps={names!r}")
    if outscale is not None:
        overrides.append(f"steps.esrgan.outscale={outscale}")
    recipe = load_recipe_as(EnhanceRecipe, name, overrides)
    if strength is None:
        return recipe
    chosen = tuple(step.model_copy(update={"strength": strength}) for step in recipe.steps)
    return recipe.model_copy(update={"steps": chosen})
