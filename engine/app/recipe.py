"""`tm recipe`: list, load and print recipes, and read schedules."""

from engine.config.base import Recipe
from engine.config.curves import read_schedule, read_step, schedules_in
from engine.config.find import shipped_recipes
from engine.config.load import load_recipe
from engine.config.write import explained_keys, recipe_toml, unset_keys
from engine.schedules import Schedule

__all__ = [
    "Recipe",
    "Schedule",
    "every_recipe",
    "explained_keys",
    "load_recipe",
    "read_schedule",
    "read_step",
    "recipe_toml",
    "schedules_in",
    "unset_keys",
]


def every_recipe() -> dict[str, Recipe]:
    """The shipped recipes by full name."""
    return {name: load_recipe(path) for name, path in shipped_recipes().items()}
