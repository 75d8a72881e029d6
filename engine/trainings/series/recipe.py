"""Recipes that train one thing after another."""

from typing import Literal

from pydantic import Field, field_validator

from engine.config.base import RECIPES, Recipe
from engine.core.table import Table
from engine.runtime.device import Device

SERIES_FOLDER = "{out}"
"""Placeholder for the folder of the series in the settings of a run."""


class Member(Table):
    """One training of a series."""

    recipe: str
    """A path, or the name of a shipped recipe."""
    name: str | None = None
    """Its subfolder of the series; the stem of the recipe if absent."""
    set: tuple[str, ...] = ()
    """Settings `key=value`; `{out}` is the folder of the series, so `{out}/age` an earlier run."""

    @property
    def folder(self) -> str:
        """Its subfolder of the series."""
        return self.name or self.recipe.rpartition("/")[2].removesuffix(".toml")


@RECIPES.register("series")
class SeriesRecipe(Recipe):
    """Trainings in order; each may use the results of those before it."""

    kind: Literal["series"] = "series"  # pyright: ignore[reportIncompatibleVariableOverride]
    run: tuple[Member, ...] = Field(default=())
    device: Device | None = None
    """The device of all runs; that of their recipes if absent."""

    @field_validator("run")
    @classmethod
    def _named(cls, run: tuple[Member, ...]) -> tuple[Member, ...]:
        if not run:
            raise ValueError("a series needs at least one `[[run]]`")
        folders = [member.folder for member in run]
        if len(set(folders)) < len(folders):
            raise ValueError("every `[[run]]` needs a `name` of its own")
        return run
