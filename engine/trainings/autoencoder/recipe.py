"""Recipes for the nano generator and its encoder."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from engine.config.base import RECIPES
from engine.core.table import Table, fault_of
from engine.data.portraits import PortraitData
from engine.nets.named import frozen_net, state_of
from engine.nets.nano.base import BaseSpec
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.nano.encoder import NanoEncoder, NanoEncoderSpec
from engine.nets.nano.generator import NanoGenerator, NanoGeneratorSpec
from engine.nets.nano.identity import NanoIdentity
from engine.training.recipe import TrainingRecipe
from engine.trainings.autoencoder.task import Autoencoder, AutoencoderLoss, AutoencoderTask
from engine.trainings.networks import network_files
from engine.weights.find import find_weights


class LinearBase(Table):
    """The linear codes: components of luma, colour and detail, and the window of the latter."""

    luma: int = Field(default=384, ge=1)
    colour: int = Field(default=128, ge=1)
    detail: int = Field(default=512, ge=1)
    window: tuple[int, int] = (50, 44)
    """Height and width in px of the picture at half its side."""


class AutoencoderNet(Table):
    """The networks: side of the portraits, width of a style, channels."""

    size: int = Field(default=128, ge=16)
    style_width: int = Field(default=128, ge=2)
    base: LinearBase = LinearBase()
    coarse: int = Field(default=96, ge=1)
    fine: int = Field(default=64, ge=2, multiple_of=2)
    encoder: tuple[int, ...] = (32, 48, 80, 96, 96)
    summary: int = Field(default=192, ge=2, multiple_of=2)
    discriminator: tuple[int, ...] = (32, 64, 96, 128)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.base_spec.numbers % self.style_width:
            raise fault_of("`base.luma + base.colour + base.detail` must fill whole styles")
        if self.size % 2 ** max(len(self.encoder), len(self.discriminator)):
            raise fault_of("`size` must be divisible by 2 for every stage")
        return self

    @property
    def base_spec(self) -> BaseSpec:
        return BaseSpec(size=self.size, **self.base.model_dump())

    def build(self) -> Autoencoder:
        """The networks, their weights drawn at random."""
        base, width = self.base_spec, self.style_width
        return Autoencoder(
            NanoEncoder(NanoEncoderSpec(base, width, self.encoder, self.summary)),
            NanoGenerator(NanoGeneratorSpec(base, width, self.coarse, self.fine)),
            NanoDiscriminator(3, self.discriminator),
        )


class AutoencoderNetworks(Table):
    """Frozen networks by name, run or file."""

    identity: str = "nano-identity"
    """Its features compare pictures."""


@RECIPES.register("autoencoder")
class AutoencoderRecipe(TrainingRecipe):
    """Encoder and generator of portraits; `start` takes both from another run."""

    can_start: ClassVar[bool] = True

    kind: Literal["autoencoder"] = "autoencoder"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: AutoencoderNet = AutoencoderNet()
    data: PortraitData
    networks: AutoencoderNetworks = AutoencoderNetworks()
    loss: AutoencoderLoss = AutoencoderLoss()

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        if not self.data.train.size == self.data.validation.size == self.net.size:
            raise fault_of("`net.size`, `data.train.size` and `data.validation.size` differ")
        return self

    def inputs(self) -> Mapping[str, Path]:
        files = network_files(self.networks)
        return files if self.start is None else {**files, "start": find_weights(self.start)}

    def task(self) -> AutoencoderTask:
        nets = self.net.build()
        if self.start is not None:
            nets.encoder.load_state_dict(state_of(self.start, "encoder"))
            nets.decoder.load_state_dict(state_of(self.start, "decoder"))
        return AutoencoderTask(
            nets,
            self.data,
            self.loss,
            identity=frozen_net(NanoIdentity.from_state, self.networks.identity, "identity"),
            fitted=self.start is not None,
        )
