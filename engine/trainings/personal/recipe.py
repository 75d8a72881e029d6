"""Recipes for learning how one person ages."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast

import torch
from pydantic import ValidationInfo, field_validator, model_validator
from torch import nn

from engine.banks.anchors import AgeAnchors, Prototypes
from engine.banks.bank import Bank
from engine.banks.files import read_bank
from engine.banks.people import require_impostors
from engine.config.base import RECIPES
from engine.core.digest import file_sha256
from engine.core.errors import MissingWeightsError, RecipeError
from engine.core.table import Table, fault_of
from engine.data.domains import Domain
from engine.data.targets.fixed import Fixed
from engine.losses.face.base import LossChoice
from engine.losses.face.context import LossContext
from engine.miners.base import MinerChoice, MinerValue
from engine.nets.adapter import Adapter, AdapterSpec
from engine.nets.assemble import published_machine, time_machine
from engine.nets.named import (
    load_age_estimator,
    load_classifier,
    load_distance,
    load_identity_network,
    load_landmark_detector,
)
from engine.nets.protocols import AgeEstimator
from engine.nets.style import StyleEncoder
from engine.nets.timemachine import TimeMachine
from engine.schedules import Schedule
from engine.schedules.constant import Constant
from engine.training.activations import Activations, count_activations
from engine.training.photos import require_photos
from engine.training.recipe import TrainingNetworks, TrainingRecipe, placed
from engine.trainings.age_evaluators import load_age_evaluator
from engine.trainings.networks import modules_of, network_files
from engine.trainings.personal.memory import forward_pass
from engine.trainings.personal.task import PersonalSettings, PersonalTask, trained_parts
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

CPU = torch.device("cpu")
NO_DISTANCE = "none"


class PersonalNetworks(Table):
    """Frozen networks by name, run or file; a loss that needs an absent one is refused."""

    identity: str
    """Identity network of losses and validation."""
    age: str | None = None
    """Age estimator of the losses."""
    age_evaluator: str | None = None
    """Age estimator of the validation, in no loss: an expert of `tm relabel` by its kind, or an age
    network by name, run or file; without one there is no best checkpoint."""
    perceptual: str | None = None
    """Distance between pictures: `lpips-alex`, `nano-features`. `none` is for machines without such
    a network: the losses that need one are left out, with a remark."""
    landmarks: str | None = None
    """Differentiable landmark detector."""
    classifier: str | None = None
    """Person classifier: a run of kind `person_classifier`."""


@RECIPES.register("personal")
class PersonalRecipe(PersonalSettings, TrainingRecipe):
    """A person's photos on top of a frozen ageing prior; `start` is the prior or an earlier run."""

    can_start: ClassVar[bool] = True
    data_keys: ClassVar[tuple[str, ...]] = ("photos", "bank", "anchors", "prototypes")

    kind: Literal["personal"] = "personal"  # pyright: ignore[reportIncompatibleVariableOverride]
    photos: str | None = None
    """Folder of the person's aligned photos with ages."""
    bank: str | None = None
    """Bank of impostors."""
    anchors: str | None = None
    """Age anchors, as `tm bank anchors` writes them."""
    prototypes: str | None = None
    """Same-age prototypes, written by the same command."""
    domain: Domain = "photos"
    """What the photos are; evaluators and one-shots follow it."""
    encoder: bool = True
    """Whether a copy of the prior's encoder is trained too."""
    adapter: bool = True
    """Whether there is an adapter between encoder and decoder."""
    networks: PersonalNetworks
    miner: MinerValue | None = None

    @field_validator("loss")
    @classmethod
    def _any(cls, loss: tuple[LossChoice, ...]) -> tuple[LossChoice, ...]:
        if all(one.off for one in loss):
            raise ValueError("a training needs at least one `[[loss]]` with a weight")
        return loss

    @model_validator(mode="after")
    def _independent_evaluator(self) -> Self:
        evaluator = self.networks.age_evaluator
        if evaluator is not None and evaluator == self.networks.age:
            raise fault_of("`networks.age_evaluator` must not be the network of the loss")
        return self

    @field_validator("cycle")
    @classmethod
    def _place_cycle(cls, cycle: Schedule, info: ValidationInfo) -> Schedule:
        return placed(cycle, info)

    def inputs(self) -> Mapping[str, Path]:
        """Every weights file, bank and table of anchors; a run stands for what it delivers."""
        files = {"start": find_weights(self.require("start")), **network_files(self.networks)}
        given = {"bank": self.bank, "anchors": self.anchors, "prototypes": self.prototypes}
        return files | {role: Path(file) for role, file in given.items() if file is not None}

    def albums(self) -> Mapping[str, Path]:
        """The person's photos."""
        return {"photos": Path(self.require("photos"))}

    def missing_data(self) -> Sequence[str]:
        needed = ["photos", "bank"] if self.mines else ["photos"]
        return [key for key in needed if getattr(self, key) is None]

    @property
    def mines(self) -> bool:
        """Whether a loss mines impostors, so that a bank is needed."""
        mining = any("miner" in loss.needed() and not loss.off for loss in self.loss)
        return self.miner is not None and mining

    def networks_only(self) -> TrainingNetworks:
        """The model; of the published size where its weights are missing."""
        remarks: list[str] = []
        try:
            machine = time_machine(read_checkpoint(find_weights(self.require("start"))))
        except MissingWeightsError as error:
            machine = published_machine()
            remarks.append(f"{error}; the figures are those of SAM as published, at 1024 px")
        machine = self._trainable(machine)
        frozen: dict[str, nn.Module] = {"psp": machine.psp, "sam": machine.sam}
        try:
            frozen |= self._load_networks(machine)[1]
        except MissingWeightsError as error:
            remarks.append(f"{error}; the networks of the losses are not counted")
        return TrainingNetworks(trained_parts(machine), frozen, remarks)

    def activations(self, networks: TrainingNetworks) -> Activations:
        """Of encoder, adapter and decoder; the networks of the losses keep little beside them."""
        encoder = cast("StyleEncoder", networks.frozen["psp"])
        forward = partial(forward_pass, batch=self.batch, side=encoder.shape.size)
        return count_activations(forward, networks.parts)

    def opening(self) -> str:
        """With the target ages, and the jitter of a one-shot."""
        targets = self.targets
        ages = f"{targets.age}" if isinstance(targets, Fixed) else targets.kind
        return f"{super().opening()} | targets={ages}"

    def schedules(self) -> dict[str, tuple[Schedule, int]]:
        """The rates, and the weights that change."""
        weights = {f"{loss.name}: weight": loss.weight for loss in self.loss}
        weights["cycle: weight"] = self.cycle
        changing = {n: w for n, w in weights.items() if not isinstance(w, Constant)}
        return super().schedules() | {name: (w, self.total_steps) for name, w in changing.items()}

    def task(self) -> PersonalTask:
        start = find_weights(self.require("start"))
        machine = self._trainable(time_machine(read_checkpoint(start)))
        prior = self._prior(start)
        context, networks, evaluator = self._load_networks(machine)
        impostors, photos = self._impostors(context), Path(self.require("photos"))
        require_photos(photos)
        return PersonalTask(
            _with_own_tensors(machine),
            photos,
            context,
            self.model_copy(update={"loss": self._computed_losses()}),
            remarks=self._remarks(),
            impostors=impostors,
            evaluator=evaluator,
            networks=networks,
            facts={"prior": prior, "domain": self.domain, **self._facts_of(start)},
        )

    def _trainable(self, machine: TimeMachine) -> TimeMachine:
        """The model with the personal parts that the recipe has."""
        if self.adapter and machine.adapter is None:
            shape = machine.decoder.shape
            machine.adapter = Adapter(AdapterSpec(shape.n_latent, shape.style_width))
        if self.encoder and machine.encoder is None:
            machine.with_trained_encoder()
        return machine

    def _computed_losses(self) -> tuple[LossChoice, ...]:
        """The losses that weigh something, without those whose distance is `none`."""
        return tuple(loss for loss in self.loss if not loss.off and not self._lacks_distance(loss))

    def _lacks_distance(self, loss: LossChoice) -> bool:
        return self.networks.perceptual == NO_DISTANCE and "perceptual" in loss.needed()

    def _remarks(self) -> list[str]:
        """What of the recipe is not used, and why."""
        remarks = [
            f"the loss `{loss.name}` is left out: the recipe has no `perceptual` network"
            for loss in self.loss
            if not loss.off and self._lacks_distance(loss)
        ]
        if self.bank is not None and not self.mines:
            remarks.append("the bank is not used: no loss that mines impostors has a weight")
        return remarks

    def _prior(self, start: Path) -> dict[str, Any]:
        """Where the frozen prior is: the start itself, or the prior of the start."""
        prior = read_checkpoint(start).facts.get("prior")
        if prior is not None:
            return dict(prior)
        return {"name": self.require("start"), "path": str(start), "sha256": file_sha256(start)}

    def _facts_of(self, start: Path) -> dict[str, Any]:
        """The OOD threshold of the start, and the ages of an earlier run's photos.

        A one-shot on photos of a few years still knows the others.
        """
        facts = read_checkpoint(start).facts
        ages = facts.get("ages")
        return {
            "ood_threshold": facts.get("ood_threshold"),
            **({"ages": ages} if ages is not None else {}),
        }

    def _impostors(self, context: LossContext) -> tuple[MinerChoice, Bank] | None:
        """The miner and its bank, which must have been embedded by the same identity network."""
        if self.miner is None or not self.mines:
            return None
        if self.bank is None:
            raise RecipeError("the `miner` needs a `bank`", hint="build one with `tm bank build`")
        bank = read_bank(Path(self.bank))
        assert context.identity is not None
        bank.require(context.identity)
        require_impostors(bank, Path(self.require("photos")))
        return self.miner, bank

    def _load_networks(
        self, machine: TimeMachine
    ) -> tuple[LossContext, dict[str, nn.Module], AgeEstimator | None]:
        """The context of the losses, the modules behind it, and the evaluator of ages."""
        named = self.networks
        identity = load_identity_network(named.identity, CPU)
        age = None if named.age is None else load_age_estimator(named.age, CPU)
        evaluator = load_age_evaluator(named.age_evaluator, networks=named, device=CPU)
        landmarks = (
            None if named.landmarks is None else load_landmark_detector(named.landmarks, CPU)
        )
        without = named.perceptual in (None, NO_DISTANCE)
        perceptual = None if without else load_distance(str(named.perceptual), CPU)
        classifier = None if named.classifier is None else load_classifier(named.classifier, CPU)
        context = LossContext(
            identity=identity,
            age=age,
            perceptual=perceptual,
            landmarks=landmarks,
            classifier=classifier,
            anchors=None if self.anchors is None else AgeAnchors.read(Path(self.anchors)),
            prototypes=None if self.prototypes is None else Prototypes.read(Path(self.prototypes)),
            latent_average=machine.latent_average,
            domain=self.domain,
        )
        readers = {
            "identity": identity,
            "age": age,
            "age_evaluator": evaluator,
            "landmarks": landmarks,
            "perceptual": perceptual,
        }
        networks = modules_of(readers)
        if classifier is not None:
            networks["classifier"] = classifier
        return context, networks, evaluator


def _with_own_tensors(machine: TimeMachine) -> TimeMachine:
    """The model with trained parts whose tensors are not mapped to a file."""
    for net in (machine.encoder, machine.adapter, machine.decoder):
        if net is not None:
            copied = {key: tensor.clone() for key, tensor in net.state_dict().items()}
            net.load_state_dict(copied, assign=True)
    return machine
