"""Recipes for colourisers."""

from typing import Literal, Self

from pydantic import Field, model_validator

from engine.config.base import RECIPES
from engine.data.degradation import Degradation
from engine.data.mixed_worlds import LandscapeShare, require_size
from engine.data.portraits import PortraitPlan
from engine.nets.nano.enhancers import NanoColour
from engine.nets.nano.unet import NanoUNet, UNetSpec
from engine.training.recipe import TrainingRecipe
from engine.trainings.colorization.task import ColorizationTask
from engine.trainings.predictions import drawn


@RECIPES.register("colorization")
class ColorizationRecipe(TrainingRecipe):
    """A network that tells the colours of grey portraits."""

    kind: Literal["colorization"] = "colorization"  # pyright: ignore[reportIncompatibleVariableOverride]
    learn: PortraitPlan
    check: PortraitPlan
    scapes: LandscapeShare | None = None
    """Landscapes to learn from beside the portraits."""
    degradation: Degradation = Degradation()
    size: int = Field(default=128, ge=16)
    """Side in px at which colours are told; finer than light they need not be."""
    widths: tuple[int, ...] = (32, 64, 96)

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        require_size(self.scapes, self.learn.size)
        return self

    def task(self) -> ColorizationTask:
        spec = UNetSpec(1, 2, 4, self.widths)
        net = drawn(lambda: NanoColour(NanoUNet(spec)), self.seed)
        return ColorizationTask(
            net, self.learn, self.check, self.degradation, size=self.size, scapes=self.scapes
        )
