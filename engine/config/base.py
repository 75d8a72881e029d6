"""The root table of a recipe, and the registry of its kinds."""

from engine.core.licences import Licences
from engine.core.registry import Registry
from engine.core.table import Table

RECIPES: Registry["Recipe"] = Registry("kind of recipe", package="engine", module="recipe")


class Recipe(Table):
    """The root table of a recipe."""

    kind: str
    """Decides which other keys the recipe may have."""
    name: str
    """The name of its runs; the file's stem if absent."""
    licences: Licences = "any"
    """`permissive`: weights on other terms are refused."""
    about: str = ""
    """One sentence for `tm recipe list`."""
