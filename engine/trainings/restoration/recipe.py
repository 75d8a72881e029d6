"""Recipes for networks that upscale pictures or restore faces."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn

from engine.config.base import RECIPES
from engine.core.table import Table, fault_of
from engine.data.degradation import Degradation
from engine.data.mixed_worlds import MixedData
from engine.enhance.models import read_model
from engine.nets.named import load_age_estimator, load_distance
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.nano.enhancers import NanoFace
from engine.nets.nano.interpolating import SMALLEST_DEPTH, SMALLEST_WIDTH, begin_as_bicubic
from engine.nets.nano.unet import NanoUNet, UNetSpec
from engine.training.recipe import TrainingRecipe
from engine.trainings.networks import network_files
from engine.trainings.predictions import seeded
from engine.trainings.restoration.task import RestorationLoss, RestorationTask
from engine.weights.find import find_weights
from engine.weights.formats.spandrel import spandrel

CPU = torch.device("cpu")


class CompactNet(Table):
    """A Real-ESRGAN Compact (SRVGGNetCompact), as spandrel builds and detects it."""

    kind: Literal["compact"] = "compact"
    scale: int = Field(default=2, ge=1, le=4)
    width: int = Field(default=32, ge=1)
    depth: int = Field(default=8, ge=1)
    """Convolutions between the first and the last."""
    begin: Literal["random", "bicubic"] = "random"
    """`bicubic`: as bicubic interpolation to twice the size, from which training improves."""

    @model_validator(mode="after")
    def _holds_bicubic(self) -> Self:
        small = self.width < SMALLEST_WIDTH or self.depth < SMALLEST_DEPTH
        if self.begin == "bicubic" and (small or self.scale != 2):
            raise fault_of(
                f'`net.begin = "bicubic"` needs `scale = 2`, a `width` of {SMALLEST_WIDTH} and a '
                f"`depth` of {SMALLEST_DEPTH}"
            )
        return self

    @property
    def part(self) -> str:
        return "compact"

    def build(self) -> nn.Module:
        compact = spandrel().architectures.Compact.Compact
        net = compact(num_feat=self.width, num_conv=self.depth, upscale=self.scale)
        return begin_as_bicubic(net) if self.begin == "bicubic" else net


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


class RestorationNetworks(Table):
    """Frozen networks by name, run or file."""

    upscaler: str | None = None
    """An x2 upscaler, whose output every other degraded picture is."""
    perceptual: str | None = None
    """The distance of `loss.perceptual`: a name that `load_distance` knows."""
    age: str | None = None
    """The age estimator of `loss.age`."""


@RECIPES.register("restoration")
class RestorationRecipe(TrainingRecipe):
    """A network that undoes degradations."""

    kind: Literal["restoration"] = "restoration"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: Annotated[CompactNet | FaceNet, Field(discriminator="kind")]
    data: MixedData
    degradation: Degradation = Degradation()
    patch: int = Field(ge=16)
    """Side of the clean patches in px."""
    networks: RestorationNetworks = RestorationNetworks()
    loss: RestorationLoss = RestorationLoss()
    discriminator: tuple[int, ...] = (32, 64, 96, 128)
    """Widths of the discriminator, where `loss` needs one."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for key in ("perceptual", "age"):
            if getattr(self.loss, key) and getattr(self.networks, key) is None:
                raise fault_of(f"`loss.{key}` needs `networks.{key}`")
        return self

    def data_paths(self) -> Sequence[str]:
        photographs = self.data.photographs
        return () if photographs is None else (photographs.folder,)

    def inputs(self) -> Mapping[str, Path]:
        return network_files(self.networks)

    def task(self) -> RestorationTask:
        named, discriminator = self.networks, None
        if self.loss.needs_discriminator:
            discriminator = seeded(lambda: NanoDiscriminator(3, self.discriminator), self.seed)
        return RestorationTask(
            seeded(self.net.build, self.seed),
            self.net.part,
            self.data,
            self.degradation,
            self.loss,
            scale=self.net.scale,
            patch=self.patch,
            upscaler=None
            if named.upscaler is None
            else read_model(find_weights(named.upscaler)).net,
            discriminator=discriminator,
            perceptual=None if named.perceptual is None else load_distance(named.perceptual, CPU),
            age=None if named.age is None else load_age_estimator(named.age, CPU),
        )
