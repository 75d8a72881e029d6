"""What every recipe has, and the closed set of kinds."""

from engine.core.registry import Registry
from engine.core.table import Table

RECIPES: Registry["Recipe"] = Registry("kind of recipe", package="engine", module="recipe")


class Recipe(Table):
    """The root table of a recipe."""

    kind: str
    """What the recipe is for; decides which other keys it may have."""
    name: str
    """How runs made from it are called; the file's stem if it is not written."""
    about: str = ""
    """One sentence for `tm recipe list`."""
