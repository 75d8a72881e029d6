"""A recipe as TOML that reads back equal."""

import toml

from engine.recipe.base import Recipe


def recipe_toml(recipe: Recipe) -> str:
    """The resolved recipe, every default written out."""
    return toml.dumps(recipe.dump())
