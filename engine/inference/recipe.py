"""Recipes for ageing photos with a trained model."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from engine.config.base import RECIPES, Recipe
from engine.config.load import load_recipe_as
from engine.core.numbers import Real
from engine.faces.detect import Detection
from engine.inference.edit import Edit
from engine.inference.plan import Morphing
from engine.inference.reage import Noise
from engine.runtime.device import Precision


@RECIPES.register("infer")
class InferRecipe(Recipe):
    """How a face becomes portraits at other ages."""

    kind: Literal["infer"] = "infer"  # pyright: ignore[reportIncompatibleVariableOverride]
    face: str = "largest"
    """Which face of a photo: `largest`, a number, or `like:PHOTO`."""
    detection: Detection = Detection()
    born: str | None = None
    """Date of birth as `YYYY` or `YYYY-MM-DD`: with the date that the camera noted it gives the
    age in a photograph."""
    edit: Edit = Edit()
    noise: Noise = "stored"
    """`stored` as published; `content` draws it anew for each photo, the same at every age."""
    precision: Precision = "auto"
    batch: int = Field(default=2, ge=1)
    """Pictures in a batch; halved when memory runs out."""
    evaluate: bool = True
    """Estimate age and identity of every portrait with the installed evaluators."""
    strengths: tuple[Real, ...] = ()
    """Several strengths in place of one: a folder for each, and a grid of all of every photo."""
    morphing: Morphing = Morphing()
    truth: str | None = None
    """A folder with the same photograph at other ages, as `tm prep synth --same-scene` renders
    it: portraits are compared with the picture of their age, and strips show both."""


def load_infer(name: str, settings: Sequence[str] = ()) -> InferRecipe:
    """Find and check a recipe of this kind."""
    return load_recipe_as(InferRecipe, name, settings)
