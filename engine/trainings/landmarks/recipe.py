"""Recipes for landmark networks."""

from typing import Literal

from pydantic import Field

from engine.config.base import RECIPES
from engine.data.jitter import ColorJitter
from engine.data.portraits import PortraitData
from engine.nets.nano.landmarks import LandmarksSpec, NanoLandmarks
from engine.training.recipe import TrainingRecipe
from engine.trainings.landmarks.task import LandmarksTask
from engine.trainings.predictions import seeded
from engine.trainings.staged_net import StagedNet


class LandmarksNet(StagedNet):
    """The network: input size, widths of its stages, width of its hidden layer."""

    widths: tuple[int, ...] = (24, 48, 64, 96)
    hidden: int = Field(default=96, ge=1)


@RECIPES.register("landmarks")
class LandmarksRecipe(TrainingRecipe):
    """A network that detects the 68 landmarks."""

    kind: Literal["landmarks"] = "landmarks"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: LandmarksNet = LandmarksNet()
    data: PortraitData
    jitter: ColorJitter | None = None
    shift: int = Field(default=8, ge=0)
    """Largest random shift of a picture, in px of the rendered pictures."""

    def task(self) -> LandmarksTask:
        spec = LandmarksSpec(**self.net.model_dump())
        net = seeded(lambda: NanoLandmarks(spec), self.seed)
        return LandmarksTask(net, self.data, jitter=self.jitter, shift=self.shift)
