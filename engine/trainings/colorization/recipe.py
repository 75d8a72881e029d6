"""Recipes for colorization networks."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from engine.config.base import RECIPES
from engine.data.degradation import Degradation
from engine.data.mixed_worlds import MixedData
from engine.nets.nano.enhancers import NanoColour
from engine.nets.nano.unet import NanoUNet, UNetSpec
from engine.training.recipe import TrainingRecipe
from engine.trainings.colorization.task import ColorizationTask
from engine.trainings.predictions import seeded


@RECIPES.register("colorization")
class ColorizationRecipe(TrainingRecipe):
    """A network that predicts the colours of grey pictures."""

    kind: Literal["colorization"] = "colorization"  # pyright: ignore[reportIncompatibleVariableOverride]
    data: MixedData
    degradation: Degradation = Degradation()
    size: int = Field(default=128, ge=16)
    """Side in px at which colours are predicted; the eye needs less colour detail than luma."""
    widths: tuple[int, ...] = (32, 64, 96)

    def data_paths(self) -> Sequence[str]:
        photographs = self.data.photographs
        return () if photographs is None else (photographs.folder,)

    def task(self) -> ColorizationTask:
        spec = UNetSpec(1, 2, 4, self.widths)
        net = seeded(lambda: NanoColour(NanoUNet(spec)), self.seed)
        return ColorizationTask(net, self.data, self.degradation, size=self.size)
