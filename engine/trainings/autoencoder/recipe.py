"""Recipes for the nano generator and its encoder."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from engine.config.base import RECIPES
from engine.core.numbers import Real
from engine.core.table import Table, fault_of
from engine.data.portraits import PortraitPlan
from engine.nets.named import frozen_net, state_of
from engine.nets.nano.base import BaseSpec
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.nano.encoder import NanoEncoder, NanoEncoderSpec
from engine.nets.nano.generator import NanoGenerator, NanoGeneratorSpec
from engine.nets.nano.identity import NanoIdentity
from engine.training.recipe import TrainingRecipe
from engine.trainings.adversarial_weights import AdversarialWeights
from engine.trainings.autoencoder.task import Autoencoder, AutoencoderAim, AutoencoderTask
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


class AutoencoderLoss(AdversarialWeights):
    """Weights of the losses; 0 leaves a loss out."""

    pixel: Real = Field(default=30.0, ge=0)
    gradient: Real = Field(default=5.0, ge=0)
    perceptual: Real = Field(default=1.0, ge=0)
    texture: Real = Field(default=0.6, ge=0)
    identity: Real = Field(default=0.0, ge=0)


@RECIPES.register("autoencoder")
class AutoencoderRecipe(TrainingRecipe):
    """Encoder and generator of portraits; `start` takes both from another run."""

    can_start: ClassVar[bool] = True

    kind: Literal["autoencoder"] = "autoencoder"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: AutoencoderNet = AutoencoderNet()
    learn: PortraitPlan
    check: PortraitPlan
    loss: AutoencoderLoss = AutoencoderLoss()
    identity: str = "nano-identity"
    """Weights of the identity network whose features compare pictures."""

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        if not self.learn.size == self.check.size == self.net.size:
            raise fault_of("`net.size`, `learn.size` and `check.size` differ")
        return self

    def inputs(self) -> Mapping[str, Path]:
        named = {"identity": self.identity}
        if self.start is not None:
            named["start"] = self.start
        return {role: find_weights(weights) for role, weights in named.items()}

    def task(self) -> AutoencoderTask:
        nets = self.net.build()
        if self.start is not None:
            nets.encoder.load_state_dict(state_of(self.start, "encoder"))
            nets.decoder.load_state_dict(state_of(self.start, "decoder"))
        return AutoencoderTask(
            nets,
            self.learn,
            self.check,
            AutoencoderAim(**self.loss.model_dump()),
            identity=frozen_net(NanoIdentity.from_state, self.identity, "identity"),
            fitted=self.start is not None,
        )
