"""Recipes for the nano ageing prior."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator

from engine.config.base import RECIPES
from engine.core.errors import MissingWeightsError, RecipeError
from engine.core.table import Table, fault_of
from engine.data.portraits import PortraitData
from engine.losses.face.context import LossContext
from engine.nets.assemble import published_machine
from engine.nets.named import (
    frozen_net,
    load_age_estimator,
    load_distance,
    load_identity_network,
)
from engine.nets.nano.age import NanoAge
from engine.nets.nano.ageing import PLANES, RGB, NanoAgeing, NanoAgeingSpec
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.nano.encoder import NanoEncoder
from engine.nets.nano.generator import NanoGenerator
from engine.nets.nano.identity import NanoIdentity
from engine.nets.timemachine import TimeMachine
from engine.training.photos import read_photos, require_photos
from engine.training.recipe import TrainingNetworks, TrainingRecipe
from engine.training.task import Task
from engine.trainings.age_evaluators import load_age_evaluator
from engine.trainings.networks import modules_of, network_files
from engine.trainings.prior.machine import drawn, earlier_machine, new_machine
from engine.trainings.prior.task import OBJECTIVES, OUTLINE, PriorLoss, PriorNets, PriorTask
from engine.trainings.prior.unpaired import Load, UnpairedPriorTask, UnpairedTable

CPU = torch.device("cpu")


class PriorNet(Table):
    """Channels of the prior and of its discriminator, and the width of the prior's summary."""

    widths: tuple[int, ...] = (32, 64, 96, 96, 96)
    summary: int = Field(default=192, ge=1)
    discriminator: tuple[int, ...] = (32, 64, 96, 128)
    conditional: bool = False
    """Whether the discriminator also sees the photograph, so that hair and sex stay the
    person's where the truth cannot be known; with pairs only."""


class PriorNetworks(Table):
    """Frozen networks by name, run or file."""

    generator: str = "nano-generator"
    """The generator and its encoder; without pairs also pSp."""
    identity: str = "nano-identity"
    age: str = "nano-age"
    age_evaluator: str | None = None
    """Age estimator of the validation, which is in no loss."""
    perceptual: str | None = None
    """Distance between pictures, for the objective without pairs."""


@RECIPES.register("prior")
class PriorRecipe(TrainingRecipe):
    """The global ageing prior, on a trained generator and its encoder.

    By default each picture is compared with the render of the same scene at the target age. With
    `photos`, aligned photographs of any people with their ages, or with the table `unpaired`, no
    truth is used: the objective is SAM's.
    """

    can_start: ClassVar[bool] = True
    data_keys: ClassVar[tuple[str, ...]] = ("photos",)
    objectives: ClassVar[tuple[str, ...]] = OBJECTIVES

    kind: Literal["prior"] = "prior"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: PriorNet = PriorNet()
    photos: str | None = None
    """Folder of aligned photographs of many people, with ages."""
    data: PortraitData | None = None
    """The drawn people, where there are no `photos`."""
    unpaired: UnpairedTable | None = None
    """The objective without truth; its defaults where there are `photos`."""
    networks: PriorNetworks = PriorNetworks()
    loss: PriorLoss = PriorLoss()

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if not self.without_truth and self.data is None:
            raise fault_of("`data` is required, or `photos`")
        if self.without_truth:
            if any(phase.objective == OUTLINE for phase in self.phase):
                raise fault_of("the objective `outline` needs the truth: leave its phase out")
            if self.net.conditional:
                raise fault_of(
                    "`net.conditional` needs pairs; without truth it has nothing to compare"
                )
            return self
        if self.start is not None:
            raise fault_of("`start`: only a prior without truth begins from another one")
        if self.data is not None and self.data.train.per_scene < 2:
            raise fault_of("`data.train.ages` must be 2 or more: the target is another age")
        return self

    @property
    def without_truth(self) -> bool:
        """Whether the objective is SAM's."""
        return self.photos is not None or self.unpaired is not None

    def inputs(self) -> Mapping[str, Path]:
        if self.start is None:
            return network_files(self.networks)
        networks = self.networks.model_copy(update={"generator": self.start})
        files = network_files(networks)
        return {"start": files.pop("generator"), **files}

    def albums(self) -> Mapping[str, Path]:
        """The photographs."""
        return {} if self.photos is None else {"photos": Path(self.photos)}

    def missing_data(self) -> Sequence[str]:
        return ["photos"] if self.data is None and self.photos is None else []

    def networks_only(self) -> TrainingNetworks:
        """The networks; of the published size where their weights are missing."""
        try:
            if not self.missing_data():
                return super().networks_only()
            machine, remark = self._machine()[0], "the networks of the losses are not counted"
        except MissingWeightsError as error:
            machine = published_machine()
            remark = f"{error}; the figures are those of SAM as published, at 1024 px"
        frozen = {"psp": machine.psp, "decoder": machine.decoder}
        return TrainingNetworks({"ageing": machine.sam}, frozen, [remark])

    def task(self) -> Task:
        return self._unpaired_task() if self.without_truth else self._paired_task()

    def _machine(self) -> tuple[TimeMachine, dict[str, Any]]:
        if self.start is not None:
            return earlier_machine(self.start)
        return new_machine(self.networks.generator, self.net.widths, self.net.summary)

    def _unpaired_task(self) -> UnpairedPriorTask:
        net, named = self.net, self.networks
        machine, facts = self._machine()
        settings = UnpairedTable() if self.unpaired is None else self.unpaired
        settings = settings.placed([(phase.name, phase.steps) for phase in self.phases])
        losses = settings.loss
        if named.perceptual is None:
            losses = tuple(loss for loss in losses if "perceptual" not in loss.needed())
        identity, age = (
            load_identity_network(named.identity, CPU),
            load_age_estimator(named.age, CPU),
        )
        perceptual = None if named.perceptual is None else load_distance(named.perceptual, CPU)
        evaluator = load_age_evaluator(named.age_evaluator, networks=named, device=CPU)
        readers = {"identity": identity, "age": age, "perceptual": perceptual}
        return UnpairedPriorTask(
            machine,
            NanoDiscriminator(PLANES, net.discriminator),
            self._pictures(machine),
            LossContext(
                identity=identity,
                age=age,
                perceptual=perceptual,
                latent_average=machine.latent_average,
            ),
            settings.model_copy(update={"loss": losses}),
            left_out=[loss.name for loss in settings.loss if loss not in losses],
            evaluator=evaluator,
            networks=modules_of({**readers, "age_evaluator": evaluator}),
            facts=facts,
        )

    def _pictures(self, machine: TimeMachine) -> Load:
        """What reads the pictures; RecipeError for renders of another size than the networks'."""
        size = machine.psp.shape.size
        if self.photos is not None or self.data is None:
            photos = Path(self.require("photos"))
            require_photos(photos)
            return partial(read_photos, photos, size)
        if not self.data.train.size == self.data.validation.size == size:
            raise RecipeError(f"`data.train.size` and `data.validation.size` must be {size} px")
        return partial(drawn, self.data)

    def _paired_task(self) -> PriorTask:
        networks, data = self.networks, self.data
        assert data is not None
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
            discriminator=NanoDiscriminator(
                PLANES + RGB if net.conditional else PLANES, net.discriminator
            ),
            encoder=encoder,
            decoder=decoder,
            identity=frozen_net(NanoIdentity.from_state, networks.identity, "identity"),
            age=frozen_net(NanoAge.from_state, networks.age, "age"),
            age_evaluator=load_age_evaluator(
                networks.age_evaluator, networks=networks, device=torch.device("cpu")
            ),
        )
        return PriorTask(nets, data, self.loss)
