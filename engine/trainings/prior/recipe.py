"""Recipes for the nano ageing prior."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator

from engine.config.base import RECIPES
from engine.core.errors import RecipeError
from engine.core.table import Table, fault_of
from engine.data.portraits import PortraitData
from engine.nets.named import frozen_net
from engine.nets.nano.age import NanoAge
from engine.nets.nano.ageing import PLANES, NanoAgeing, NanoAgeingSpec
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.nano.encoder import NanoEncoder
from engine.nets.nano.generator import NanoGenerator
from engine.nets.nano.identity import NanoIdentity
from engine.training.recipe import TrainingRecipe
from engine.trainings.age_evaluators import load_age_evaluator
from engine.trainings.networks import network_files
from engine.trainings.prior.task import OBJECTIVES, PriorLoss, PriorNets, PriorTask


class PriorNet(Table):
    """Channels of the prior and of its discriminator, and the width of the prior's summary."""

    widths: tuple[int, ...] = (32, 64, 96, 96, 96)
    summary: int = Field(default=192, ge=1)
    discriminator: tuple[int, ...] = (32, 64, 96, 128)


class PriorNetworks(Table):
    """Frozen networks by name, run or file."""

    generator: str = "nano-generator"
    """The generator and its encoder."""
    identity: str = "nano-identity"
    age: str = "nano-age"
    age_evaluator: str | None = None
    """Age estimator of the validation, which is in no loss."""


@RECIPES.register("prior")
class PriorRecipe(TrainingRecipe):
    """The global ageing prior, on a trained generator and its encoder."""

    objectives: ClassVar[tuple[str, ...]] = OBJECTIVES

    kind: Literal["prior"] = "prior"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: PriorNet = PriorNet()
    data: PortraitData
    networks: PriorNetworks = PriorNetworks()
    loss: PriorLoss = PriorLoss()

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if self.data.train.per_scene < 2:
            raise fault_of("`data.train.ages` must be 2 or more: the target is another age")
        return self

    def inputs(self) -> Mapping[str, Path]:
        return network_files(self.networks)

    def task(self) -> PriorTask:
        networks, data = self.networks, self.data
        encoder = frozen_net(NanoEncoder.from_state, networks.generator, "encoder")
        decoder = frozen_net(NanoGenerator.from_state, networks.generator, "decoder")
        spec = decoder.spec
        if not data.train.size == data.validation.size == spec.size:
            raise RecipeError(
                f"`data.train.size` and `data.validation.size` must be {spec.size}, the generator's"
            )
        net = self.net
        ageing = NanoAgeing(NanoAgeingSpec(spec.base, spec.style_width, net.widths, net.summary))
        ageing.base.load_state_dict(encoder.base.state_dict())
        nets = PriorNets(
            ageing=ageing,
            discriminator=NanoDiscriminator(PLANES, net.discriminator),
            encoder=encoder,
            decoder=decoder,
            identity=frozen_net(NanoIdentity.from_state, networks.identity, "identity"),
            age=frozen_net(NanoAge.from_state, networks.age, "age"),
            age_evaluator=load_age_evaluator(
                networks.age_evaluator, networks=networks, device=torch.device("cpu")
            ),
        )
        return PriorTask(nets, data, self.loss)
