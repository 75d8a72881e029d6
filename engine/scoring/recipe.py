"""`comparison.toml`: a folder in which several methods of ageing are compared."""

from pathlib import Path
from typing import Literal

from pydantic import field_validator

from engine.config.base import RECIPES, Recipe
from engine.config.load import load_recipe_as
from engine.scoring.evaluate import RESERVED
from engine.scoring.material import COPIED, NOTHING, TRUTH

COMPARISON = "comparison.toml"


@RECIPES.register("comparison")
class ComparisonRecipe(Recipe):
    """Named methods of ageing and their references; paths are relative to its folder."""

    kind: Literal["comparison"] = "comparison"  # pyright: ignore[reportIncompatibleVariableOverride]
    licences: Literal["any"] = "any"  # pyright: ignore[reportIncompatibleVariableOverride]
    """A comparison names no weights; TM_LICENCES holds for its evaluators."""
    methods: dict[str, str]
    """Folder of each method's portraits, by the name of the method."""
    photos: str | None = None
    """The person's aligned photos: real pairs, training ages, and the control `copied`."""
    truth: str | None = None
    """Renders of the photos at the target ages, as `tm prep synth --same-scene` makes them."""
    impostors: str | None = None
    """Aligned pictures of other people, for verification."""
    begun: str | None = None
    """A file written at the start: `minutes` is the time from it to the last result."""

    @field_validator("methods")
    @classmethod
    def _named(cls, methods: dict[str, str]) -> dict[str, str]:
        if not methods:
            raise ValueError("a comparison needs at least one method")
        taken = sorted({*RESERVED, NOTHING, COPIED, TRUTH} & methods.keys())
        if taken:
            raise ValueError(f"no method can be named `{taken[0]}`: it is a key of the report")
        return methods


def load_comparison(folder: Path) -> ComparisonRecipe:
    """The comparison of a folder."""
    return load_recipe_as(ComparisonRecipe, folder / COMPARISON)
