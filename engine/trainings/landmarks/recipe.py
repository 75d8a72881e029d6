"""Recipes for landmark networks."""

from typing import Literal

from pydantic import Field

from engine.config.base import RECIPES
from engine.data.jitter import ColorJitter
from engine.data.portraits import PortraitPlan
from engine.nets.nano.landmarks import LandmarksSpec, NanoLandmarks
from engine.training.recipe import TrainingRecipe
from engine.trainings.landmarks.task import LandmarksTask
from engine.trainings.predictions import drawn
from engine.trainings.staged_net import StagedNet


class LandmarksNet(StagedNet):
    """The network: input size, widths of its stages, width of its hidden layer."""

    widths: tuple[int, ...] = (24, 48, 64, 96)
    hidden: int = Field(default=96, ge=1)


@RECIPES.register("landmarks")
class LandmarksRecipe(TrainingRecipe):
    """A network that finds the 68 landmarks."""

    kind: Literal["landmarks"] = "landmarks"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: LandmarksNet = LandmarksNet()
    learn: PortraitPlan
    check: PortraitPlan
    jitter: ColorJitter | None = None
    shift: int = Field(default=8, ge=0)
    """Largest random move of a picture, in px of the rendered pictures."""

    def task(self) -> LandmarksTask:
        spec = LandmarksSpec(**self.net.model_dump())
        net = drawn(lambda: NanoLandmarks(spec), self.seed)
        return LandmarksTask(net, self.learn, self.check, jitter=self.jitter, shift=self.shift)
