"""Recipes for learning how one person ages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import ValidationInfo, field_validator
from torch import nn

from engine.banks.anchors import read_anchors, read_prototypes
from engine.banks.bank import Bank
from engine.banks.files import read_bank
from engine.banks.people import require_impostors
from engine.config.base import RECIPES
from engine.core.digest import file_sha256
from engine.core.errors import MissingWeightsError, RecipeError
from engine.core.numbers import Span
from engine.core.table import Table
from engine.data.targets.base import TargetChoice
from engine.losses.face.base import LossChoice
from engine.losses.face.context import Domain, LossContext
from engine.miners.base import MinerChoice, MinerValue
from engine.nets.adapter import Adapter, AdapterSpec
from engine.nets.assemble import published_machine, time_machine
from engine.nets.named import (
    DISTANCES,
    load_age_estimator,
    load_classifier,
    load_distance,
    load_identity_network,
    load_landmark_detector,
)
from engine.nets.timemachine import TimeMachine
from engine.schedules import Schedule, ScheduleValue, parse_schedule
from engine.schedules.constant import Constant
from engine.training.photos import require_photos
from engine.training.recipe import Outline, TrainingRecipe, placed
from engine.trainings.personal.task import Noise, PersonalAim, PersonalTask, learning
from engine.trainings.personal.validation import Check
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

CPU = torch.device("cpu")
NO_DISTANCE = "none"


class Networks(Table):
    """Frozen networks by name, run or file; without one, losses that need it are refused."""

    identity_net: str
    """Who somebody is, for losses and for the validation."""
    ages: str | None = None
    """How old somebody looks, for losses."""
    judge: str | None = None
    """The same for the validation alone: a network that is in no loss."""
    distance: str | None = None
    """How different two pictures look: `lpips-alex`, `nano-features`. `none` is for machines where
    there is no such network: the losses that need one are left out, and the run says so."""
    points: str | None = None
    """Landmarks that gradients pass."""
    classifier: str | None = None
    """Tells the person from everybody else: a run of kind `person_classifier`."""


@RECIPES.register("personal")
class PersonalRecipe(TrainingRecipe):
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
    encoder: bool = True
    """Whether a copy of the prior's encoder is trained too."""
    adapter: bool = True
    """Whether there is an adapter between encoder and decoder."""
    networks: Networks
    miner: MinerValue | None = None
    targets: TargetChoice
    loss: tuple[LossChoice, ...]
    cycle: ScheduleValue = parse_schedule(1.0)
    """Weight of the way back to the photo's age; 0 leaves it out."""
    noise: Noise = "fresh"
    """Noise of the decoder while training; what is delivered uses the stored planes."""
    mirror: bool = True
    """Learn from flipped photos too."""
    photo_ages: Span | None = None
    """Ages of the photos that are learned from, and the nearest where there are too few."""
    validation: Check = Check()

    @field_validator("loss")
    @classmethod
    def _any(cls, loss: tuple[LossChoice, ...]) -> tuple[LossChoice, ...]:
        if not loss:
            raise ValueError("a training needs at least one `[[loss]]`")
        return loss

    @field_validator("cycle")
    @classmethod
    def _place_cycle(cls, cycle: Schedule, info: ValidationInfo) -> Schedule:
        return placed(cycle, info)

    def inputs(self) -> Mapping[str, Path]:
        """Every weights file that goes in; a run among them stands for its best weights."""
        named = {"start": self._given("start"), **self._networks()}
        distance = named.pop("distance", "")
        named |= {f"distance/{name}": name for name in DISTANCES.get(distance, ())}
        found = {role: find_weights(name) for role, name in named.items()}
        files = {"bank": self.bank, "anchors": self.anchors, "prototypes": self.prototypes}
        return found | {role: Path(file) for role, file in files.items() if file is not None}

    def albums(self) -> Mapping[str, Path]:
        """The person's photos."""
        return {"photos": Path(self._given("photos"))}

    def outline(self) -> Outline:
        """What would learn; where the weights are not here, networks of the published size."""
        remarks: list[str] = []
        try:
            machine = time_machine(read_checkpoint(find_weights(self._given("start"))))
        except MissingWeightsError as error:
            machine = published_machine()
            remarks.append(f"{error}; the figures are those of SAM as it was published, at 1024 px")
        machine = self._learner(machine)
        frozen: dict[str, nn.Module] = {"psp": machine.psp, "sam": machine.sam}
        try:
            frozen |= self._parts(machine)[1]
        except MissingWeightsError as error:
            remarks.append(f"{error}; the networks of the losses are not counted")
        return Outline(learning(machine), frozen, remarks)

    def schedules(self) -> dict[str, tuple[Schedule, int]]:
        """The rates, and the weights that change."""
        steps = self.plan().steps
        weights = {f"{loss.name}: weight": loss.weight for loss in self.loss}
        weights["way back: weight"] = self.cycle
        changing = {n: w for n, w in weights.items() if not isinstance(w, Constant)}
        return super().schedules() | {name: (w, steps) for name, w in changing.items()}

    def task(self) -> PersonalTask:
        start = find_weights(self._given("start"))
        machine = self._learner(time_machine(read_checkpoint(start)))
        prior = self._prior(start)
        parts, networks, judge = self._parts(machine)
        impostors, photos = self._impostors(parts), Path(self._given("photos"))
        require_photos(photos)
        return PersonalTask(
            _own(machine),
            photos,
            parts,
            self._aim(),
            impostors=impostors,
            judge=judge,
            judging=self.validation,
            networks=networks,
            facts={"prior": prior, "domain": self.domain, **self._learned(start)},
        )

    def _learner(self, machine: TimeMachine) -> TimeMachine:
        """The machine with the personal parts that the recipe asks for."""
        if self.adapter and machine.adapter is None:
            shape = machine.decoder.shape
            machine.adapter = Adapter(AdapterSpec(shape.n_latent, shape.style_width))
        if self.encoder and machine.encoder is None:
            machine.with_trained_encoder()
        return machine

    def _aim(self) -> PersonalAim:
        """What is asked for; losses that need a distance are absent where there is to be none."""
        without = self.networks.distance == NO_DISTANCE
        absent = [loss.name for loss in self.loss if without and "distance" in loss.needed()]
        return PersonalAim(
            self.targets,
            tuple(loss for loss in self.loss if loss.name not in absent),
            self.cycle,
            self.noise,
            self.mirror,
            self.photo_ages,
            tuple(absent),
        )

    def _given(self, key: str) -> str:
        value = getattr(self, key)
        if value is None:
            raise RecipeError(f"`{key}` is required", hint="give it here or on the command line")
        return value

    def _prior(self, start: Path) -> dict[str, Any]:
        """Where the frozen prior is: the start itself, or what the start was begun with."""
        told = read_checkpoint(start).facts.get("prior")
        if told is not None:
            return dict(told)
        return {"name": self._given("start"), "path": str(start), "sha256": file_sha256(start)}

    def _learned(self, start: Path) -> dict[str, Any]:
        """What the start knows: the limit of ood_score, and the ages of an earlier run's photos.

        A one-shot on photos of a few years does not unlearn the others.
        """
        facts = read_checkpoint(start).facts
        ages = facts.get("ages")
        return {
            "ood_threshold": facts.get("ood_threshold"),
            **({"ages": ages} if ages is not None else {}),
        }

    def _networks(self) -> dict[str, str]:
        return {key: name for key, name in self.networks.dump().items() if name is not None}

    def _impostors(self, parts: LossContext) -> tuple[MinerChoice, Bank] | None:
        """The miner and its bank, which must have been built by the identity_net in use."""
        if self.miner is None:
            return None
        if self.bank is None:
            raise RecipeError("the `miner` needs a `bank`", hint="build one with `tm bank build`")
        bank = read_bank(Path(self.bank))
        assert parts.identity_net is not None
        bank.require(parts.identity_net)
        require_impostors(bank, Path(self._given("photos")))
        return self.miner, bank

    def _parts(self, machine: TimeMachine) -> tuple[LossContext, dict[str, nn.Module], Any]:
        """What the losses may ask for, the modules behind it, and the judge of ages."""
        named = self.networks
        identity_net = load_identity_network(named.identity_net, CPU)
        ages = load_age_estimator(named.ages, CPU) if named.ages is not None else None
        judge = load_age_estimator(named.judge, CPU) if named.judge is not None else None
        points = load_landmark_detector(named.points, CPU) if named.points is not None else None
        apart = None if named.distance == NO_DISTANCE else named.distance
        distance = load_distance(apart, CPU) if apart is not None else None
        classifier = (
            load_classifier(named.classifier, CPU) if named.classifier is not None else None
        )
        parts = LossContext(
            identity_net=identity_net,
            ages=ages,
            distance=distance,
            points=points,
            classifier=classifier,
            anchors=read_anchors(Path(self.anchors)) if self.anchors is not None else None,
            prototypes=(
                read_prototypes(Path(self.prototypes)) if self.prototypes is not None else None
            ),
            latent_average=machine.latent_average,
            domain=self.domain,
        )
        found = {"identity_net": identity_net, "ages": ages, "judge": judge, "points": points}
        networks = {
            name: net
            for name, reader in {**found, "distance": distance}.items()
            if isinstance(net := getattr(reader, "net", None), nn.Module)
        }
        if classifier is not None:
            networks["classifier"] = classifier
        return parts, networks, judge


def _own(machine: TimeMachine) -> TimeMachine:
    """The machine with trainable parts that no file is mapped to."""
    for net in (machine.encoder, machine.adapter, machine.decoder):
        if net is not None:
            copied = {key: tensor.clone() for key, tensor in net.state_dict().items()}
            net.load_state_dict(copied, assign=True)
    return machine
