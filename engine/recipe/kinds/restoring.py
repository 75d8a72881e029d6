"""Recipes for networks that enlarge pictures or restore faces."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from engine.core.table import Table
from engine.data.degradation import Degradation
from engine.data.portraits import PortraitPlan
from engine.enhance.models import read_model
from engine.nets.foreign import spandrel
from engine.nets.nano.enhancers import NanoFace
from engine.nets.nano.unet import NanoUNet, UNetSpec
from engine.recipe.base import RECIPES
from engine.recipe.training import TrainingRecipe
from engine.training.tasks.judging import drawn
from engine.training.tasks.restoring import Pull, RestoringTask
from engine.weights.find import find_weights


class CompactNet(Table):
    """A Real-ESRGAN Compact (SRVGGNetCompact), as spandrel builds and recognises it."""

    kind: Literal["compact"] = "compact"
    scale: int = Field(default=2, ge=1, le=4)
    width: int = Field(default=32, ge=1)
    depth: int = Field(default=8, ge=1)
    """Convolutions between the first and the last."""

    @property
    def part(self) -> str:
        return "compact"

    def build(self) -> nn.Module:
        compact = spandrel().architectures.Compact.Compact
        return compact(num_feat=self.width, num_conv=self.depth, upscale=self.scale)


class FaceNet(Table):
    """A small U-Net for whole aligned faces."""

    kind: Literal["face"] = "face"
    widths: tuple[int, ...] = (48, 80, 128)
    fold: int = Field(default=4, ge=1)
    """Pixels of a side that are folded into channels first."""

    @property
    def part(self) -> str:
        return "face"

    @property
    def scale(self) -> int:
        return 1

    def build(self) -> nn.Module:
        return NanoFace(NanoUNet(UNetSpec(3, 3, self.fold, self.widths)))


@RECIPES.register("restoring")
class RestoringRecipe(TrainingRecipe):
    """A network that undoes what spoils pictures."""

    kind: Literal["restoring"] = "restoring"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: Annotated[CompactNet | FaceNet, Field(discriminator="kind")]
    learn: PortraitPlan
    check: PortraitPlan
    degradation: Degradation = Degradation()
    patch: int = Field(ge=16)
    """Side of the clean pieces that are learned from, in px."""
    pull: Pull = Pull()
    through: str | None = None
    """Weights of an enlarger x2 that every other picture comes by way of."""

    def inputs(self) -> Mapping[str, Path]:
        return {} if self.through is None else {"enlarger": find_weights(self.through)}

    def task(self) -> RestoringTask:
        return RestoringTask(
            drawn(self.net.build, self.seed),
            self.net.part,
            self.learn,
            self.check,
            self.degradation,
            scale=self.net.scale,
            patch=self.patch,
            pull=self.pull,
            through=None if self.through is None else read_model(find_weights(self.through)).net,
        )
