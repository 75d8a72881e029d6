"""Recipes for networks that enlarge pictures or restore faces."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn

from engine.config.base import RECIPES
from engine.core.numbers import Real
from engine.core.table import Table, fault_of
from engine.data.degradation import Degradation
from engine.data.mixed_worlds import LandscapeShare, require_size
from engine.data.portraits import PortraitPlan
from engine.enhance.models import read_model
from engine.nets.named import DISTANCES, load_age_estimator, load_distance
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.nano.enhancers import NanoFace
from engine.nets.nano.unet import NanoUNet, UNetSpec
from engine.training.recipe import TrainingRecipe
from engine.trainings.adversarial_weights import AdversarialWeights
from engine.trainings.predictions import drawn
from engine.trainings.restoration.task import RestorationAim, RestorationTask
from engine.weights.find import find_weights
from engine.weights.formats.spandrel import spandrel

CPU = torch.device("cpu")


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


class Pull(AdversarialWeights):
    """Weights of the terms beside the error of pixels, which has 1; 0 leaves a loss out."""

    edges: Real = Field(default=0.5, ge=0)
    texture: Real = Field(default=0.02, ge=0)
    looks: Real = Field(default=0.0, ge=0)
    age: Real = Field(default=0.0, ge=0)
    adversarial: Real = Field(default=0.0, ge=0)
    matching: Real = Field(default=0.0, ge=0)


@RECIPES.register("restoration")
class RestorationRecipe(TrainingRecipe):
    """A network that undoes what spoils pictures."""

    kind: Literal["restoration"] = "restoration"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: Annotated[CompactNet | FaceNet, Field(discriminator="kind")]
    learn: PortraitPlan
    check: PortraitPlan
    scapes: LandscapeShare | None = None
    """Landscapes to learn from beside the portraits."""
    degradation: Degradation = Degradation()
    patch: int = Field(ge=16)
    """Side of the clean pieces that are learned from, in px."""
    pull: Pull = Pull()
    through: str | None = None
    """Weights of an enlarger x2 that every other picture comes by way of."""
    looks: str | None = None
    """How different two portraits look, for `pull.looks`: a name that `load_distance` knows."""
    age: str | None = None
    """Who tells how old a face looks, for `pull.age`."""
    discriminator: tuple[int, ...] = (32, 64, 96, 128)
    """Widths of the discriminator, where `pull` lets one play."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.pull.looks and self.looks is None:
            raise fault_of("`pull.looks` needs `looks`: which distance it weighs")
        if self.pull.age and self.age is None:
            raise fault_of("`pull.age` needs `age`: who tells it")
        require_size(self.scapes, self.learn.size)
        return self

    def inputs(self) -> Mapping[str, Path]:
        named = {} if self.through is None else {"enlarger": self.through}
        if self.looks is not None:
            named |= {f"looks/{name}": name for name in DISTANCES.get(self.looks, ())}
        if self.age is not None:
            named["age"] = self.age
        return {role: find_weights(weights) for role, weights in named.items()}

    def task(self) -> RestorationTask:
        aim = RestorationAim(**self.pull.model_dump())
        return RestorationTask(
            drawn(self.net.build, self.seed),
            self.net.part,
            self.learn,
            self.check,
            self.degradation,
            scale=self.net.scale,
            patch=self.patch,
            aim=aim,
            through=None if self.through is None else read_model(find_weights(self.through)).net,
            discriminator=drawn(lambda: NanoDiscriminator(3, self.discriminator), self.seed)
            if aim.played
            else None,
            looks=None if self.looks is None else load_distance(self.looks, CPU),
            age=None if self.age is None else load_age_estimator(self.age, CPU),
            scapes=self.scapes,
        )
