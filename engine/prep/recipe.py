"""Recipes for preparing photos."""

from collections.abc import Sequence
from typing import Literal

from engine.config.base import RECIPES, Recipe
from engine.config.load import load_recipe_as
from engine.faces.detect import Detection
from engine.faces.quality import QualityLimits
from engine.prep.advice import Advice
from engine.prep.align import Reading
from engine.prep.filter import Similarity


@RECIPES.register("prep")
class PrepRecipe(Recipe):
    """How photos are read, searched for faces and filtered."""

    kind: Literal["prep"] = "prep"  # pyright: ignore[reportIncompatibleVariableOverride]
    reading: Reading = Reading()
    detection: Detection = Detection()
    quality: QualityLimits = QualityLimits()
    similarity: Similarity = Similarity()
    advice: Advice = Advice()


def load_prep(name: str, settings: Sequence[str] = ()) -> PrepRecipe:
    """Find and check a recipe of this kind."""
    return load_recipe_as(PrepRecipe, name, settings)
