"""What stands in a folder for several ways of ageing one person to be compared."""

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
    """Named ways of ageing and what they are measured by; paths are seen from its folder."""

    kind: Literal["comparison"] = "comparison"  # pyright: ignore[reportIncompatibleVariableOverride]
    ways: dict[str, str]
    """Name of each way, and the folder that photos were aged into."""
    photos: str | None = None
    """The person's aligned photos: ceiling, learned ages, and the way `copied`."""
    truth: str | None = None
    """Renders of the photos at the target ages, as `tm prep synth --same-scene` makes them."""
    strangers: str | None = None
    """Aligned pictures of other people, for verification."""
    begun: str | None = None
    """A file written when the work began: minutes are counted from its time to the last result."""

    @field_validator("ways")
    @classmethod
    def _named(cls, ways: dict[str, str]) -> dict[str, str]:
        if not ways:
            raise ValueError("a comparison needs at least one way")
        taken = sorted({*RESERVED, NOTHING, COPIED, TRUTH} & ways.keys())
        if taken:
            raise ValueError(f"no way can be called `{taken[0]}`: the report uses the word")
        return ways


def load_comparison(folder: Path) -> ComparisonRecipe:
    """The comparison that stands in a folder."""
    return load_recipe_as(ComparisonRecipe, folder / COMPARISON)
