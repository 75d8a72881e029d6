"""Recipes for the nano ageing prior."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from engine.config.base import RECIPES
from engine.core.numbers import Real
from engine.core.table import Table, fault_of
from engine.data.portraits import PortraitPlan
from engine.nets.named import frozen_net
from engine.nets.nano.age import NanoAge
from engine.nets.nano.ageing import PLANES, NanoAgeing, NanoAgeingSpec
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.nano.encoder import NanoEncoder
from engine.nets.nano.generator import NanoGenerator
from engine.nets.nano.identity import NanoIdentity
from engine.training.recipe import TrainingRecipe
from engine.trainings.adversarial_weights import AdversarialWeights
from engine.trainings.prior.task import PriorAim, PriorNets, PriorTask
from engine.weights.find import find_weights


class PriorNet(Table):
    """Channels of the prior and of its discriminator, and the width of the prior's summary."""

    widths: tuple[int, ...] = (32, 64, 96, 96, 96)
    summary: int = Field(default=192, ge=1)
    discriminator: tuple[int, ...] = (32, 64, 96, 128)


class PriorLoss(AdversarialWeights):
    """Weights of the losses; 0 leaves a loss out."""

    outline: Real = Field(default=30.0, ge=0)
    styles: Real = Field(default=1.0, ge=0)
    pixel: Real = Field(default=20.0, ge=0)
    gradient: Real = Field(default=3.0, ge=0)
    perceptual: Real = Field(default=2.0, ge=0)
    texture: Real = Field(default=0.6, ge=0)
    identity: Real = Field(default=0.3, ge=0)
    age: Real = Field(default=1.0, ge=0)
    w_norm: Real = Field(default=0.005, ge=0)
    cycle: Real = Field(default=10.0, ge=0)
    cycle_every: int = Field(default=4, ge=1)
    same: Real = Field(default=0.15, ge=0, le=1)


@RECIPES.register("prior")
class PriorRecipe(TrainingRecipe):
    """The ageing of anybody, on a generator and an encoder that are trained."""

    kind: Literal["prior"] = "prior"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: PriorNet = PriorNet()
    learn: PortraitPlan
    check: PortraitPlan
    loss: PriorLoss = PriorLoss()
    generator: str = "nano-generator"
    """Weights of the generator and its encoder."""
    identity: str = "nano-identity"
    age: str = "nano-age"

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if self.learn.per_scene < 2:
            raise fault_of("`learn.ages` must be 2 or more: a pair needs a truth at another age")
        return self

    def inputs(self) -> Mapping[str, Path]:
        named = {"generator": self.generator, "identity": self.identity, "age": self.age}
        return {role: find_weights(weights) for role, weights in named.items()}

    def task(self) -> PriorTask:
        encoder = frozen_net(NanoEncoder.from_state, self.generator, "encoder")
        decoder = frozen_net(NanoGenerator.from_state, self.generator, "decoder")
        spec = decoder.spec
        if not self.learn.size == self.check.size == spec.size:
            raise fault_of(f"`learn.size` and `check.size` must be {spec.size}, the generator's")
        net = self.net
        ageing = NanoAgeing(NanoAgeingSpec(spec.base, spec.style_width, net.widths, net.summary))
        ageing.base.load_state_dict(encoder.base.state_dict())
        nets = PriorNets(
            ageing=ageing,
            discriminator=NanoDiscriminator(PLANES, net.discriminator),
            encoder=encoder,
            decoder=decoder,
            identity=frozen_net(NanoIdentity.from_state, self.identity, "identity"),
            age=frozen_net(NanoAge.from_state, self.age, "age"),
        )
        return PriorTask(nets, self.learn, self.check, PriorAim(**self.loss.model_dump()))
