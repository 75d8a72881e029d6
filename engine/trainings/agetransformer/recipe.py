"""Recipes for AgeTransformers."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn

from engine.config.base import RECIPES
from engine.core.errors import MissingWeightsError, RecipeError, WeightsError
from engine.core.numbers import Real
from engine.core.table import Table, fault_of
from engine.data.anchors import Anchors
from engine.data.captions import EMBEDDINGS, INDEX, Maker, read_maker
from engine.data.label_curriculum import LabelCurriculum
from engine.data.labelled import DrawnFaces, FaceSource
from engine.data.portraits import PortraitPlan
from engine.experts.janus_tower import load_tower
from engine.experts.kinds.janus import JanusTable
from engine.nets.agetransformer.guidance import GUIDE, guided_by
from engine.nets.agetransformer.published import completed
from engine.nets.agetransformer.v1 import SMALLEST, PublishedSpec, PublishedTransformer
from engine.nets.agetransformer.v1_discriminator import (
    PublishedDiscriminator,
    PublishedDiscriminatorSpec,
)
from engine.nets.agetransformer.v2 import SlimSpec, SlimTransformer
from engine.nets.agetransformer.v2_discriminator import SlimDiscriminator
from engine.nets.loading import faults
from engine.nets.named import DISTANCES, load_age_estimator, load_distance, load_identity_network
from engine.nets.nano.encoder import OOD_THRESHOLD
from engine.nets.stylegan2.spec import widths
from engine.training.recipe import Outline, TrainingRecipe
from engine.trainings.agetransformer.guidance import VlmGuidance
from engine.trainings.agetransformer.labelled import FolderFaces
from engine.trainings.agetransformer.task import CRITICS, AgeAim, AgeNets, AgeTransformerTask
from engine.weights.checkpoint import Checkpoint
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

STYLE = 512
CPU = torch.device("cpu")


class AgeTransformerNet(Table):
    """Which version, and for the second the channels of encoder, decoder and discriminator."""

    version: Literal[1, 2] = 2
    """1 is the published network, at its own widths; its age enters at the first convolution."""
    stem: int = Field(default=16, ge=1)
    widths: tuple[int, ...] = (48, 96, 160)
    narrow: tuple[int, ...] = (16, 48, 96)
    blocks: int = Field(default=3, ge=0)
    convolved: int = Field(default=2, ge=0)
    style: int = Field(default=192, ge=1)
    canvas: int = Field(default=24, ge=1)
    window: int = Field(default=8, ge=1)
    discriminator: tuple[int, ...] = (32, 64, 96, 128)

    def build_generator(
        self, size: int, anchors: int, guided: int = 0
    ) -> PublishedTransformer | SlimTransformer:
        """A fresh generator; guided: width of the embeddings of captions, 0 for none."""
        if self.version == 1:
            levels = (size // SMALLEST).bit_length()
            deep = (STYLE,) * levels
            return PublishedTransformer(PublishedSpec(anchors, STYLE, deep, deep, guided))
        own = self.model_dump(exclude={"discriminator", "version", "narrow", "canvas"})
        own |= {"decoder_widths": self.narrow, "shared_channels": self.canvas}
        return SlimTransformer(SlimSpec(size=size, anchors=anchors, guided=guided, **own))

    def build_discriminator(
        self, size: int, anchors: int
    ) -> PublishedDiscriminator | SlimDiscriminator:
        """A fresh discriminator."""
        if self.version == 1:
            return PublishedDiscriminator(PublishedDiscriminatorSpec(anchors, widths(size)[::-1]))
        return SlimDiscriminator(anchors, self.discriminator)


class AgeTransformerLoss(Table):
    """Weights of the losses; 0 leaves a loss out."""

    pixel: Real = Field(default=20.0, ge=0)
    gradient: Real = Field(default=3.0, ge=0)
    texture: Real = Field(default=1.5, ge=0)
    matching: Real = Field(default=0.4, ge=0)
    perceptual: Real = Field(default=3.0, ge=0)
    adversarial: Real = Field(default=1.0, ge=0)
    ages: Real = Field(default=1.0, ge=0)
    age: Real = Field(default=5.0, ge=0)
    identity: Real = Field(default=1.0, ge=0)
    direction: Real = Field(default=0.0, ge=0)
    """That what `vlm.tower` sees moves along the way between the two ages."""
    attributes: Real = Field(default=0.0, ge=0)
    """That what `vlm.tower` sees beside the ages stays."""
    reconstruction: Real = Field(default=8.0, ge=0)
    cycle: Real = Field(default=8.0, ge=0)
    cycle_every: int = Field(default=1, ge=1)
    critic_ages: Real = Field(default=1.2, ge=0)
    r1: Real = Field(default=10.0, ge=0)
    r1_every: int = Field(default=16, ge=1)
    r1_pictures: int = Field(default=8, ge=1)
    warm_up: int = Field(default=150, ge=0)


@RECIPES.register("agetransformer")
class AgeTransformerRecipe(TrainingRecipe):
    """One face in, every anchor age out: from a world that knows the truth, or from labels."""

    can_start: ClassVar[bool] = True
    data_keys: ClassVar[tuple[str, ...]] = ("photos", "labels")

    kind: Literal["agetransformer"] = "agetransformer"  # pyright: ignore[reportIncompatibleVariableOverride]
    size: int = Field(default=128, ge=16, le=512)
    anchors: tuple[Real, ...] | Literal["ffhq_aging"] = tuple(range(5, 100, 10))
    """Ages in years, with bins that meet halfway; or the ten classes of FFHQ-Aging."""
    net: AgeTransformerNet = AgeTransformerNet()
    learn: PortraitPlan | None = None
    """People of the portrait world, in place of `photos`."""
    check: PortraitPlan | None = None
    photos: str | None = None
    """Folder of aligned faces with ages; one in twenty is held out, by person."""
    labels: str | None = None
    """What `tm relabel` says of them."""
    reliability: bool = True
    """Whether unsure labels count less; without, every label is taken as right."""
    trust: Literal["experts", "labels"] = "experts"
    """Whose ages are learned where `tm relabel --labels` audited a label and nothing spoke against
    it: the experts' own, or the label, taken as right."""
    curriculum: LabelCurriculum = LabelCurriculum()
    loss: AgeTransformerLoss = AgeTransformerLoss()
    vlm: VlmGuidance = VlmGuidance()
    identity: str | None = None
    """Who somebody is, for loss and validation: `ir-se50`, `nano-identity`, a run or a file."""
    age: str | None = None
    """How old somebody looks, for the loss."""
    looks: str | None = None
    """How different two pictures look, for the loss."""
    judge: str | None = None
    """The age network of the validation, which is in no loss."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.learn is None) != (self.check is None):
            raise fault_of("`learn` and `check` come together, or both stay away for `photos`")
        if self.learn is not None and self.photos is not None:
            raise fault_of("`photos` and `learn` exclude each other")
        for plan in (self.learn, self.check):
            if plan is not None and (plan.size < self.size or plan.per_scene < 2):
                raise fault_of("`learn` and `check` need pictures of `size`, at two ages or more")
        if self.net.version == 1 and (self.size < 32 or self.size & (self.size - 1)):
            raise fault_of("the published network takes a power of two from 32 px up")
        if self.trust == "labels" and self.labels is None:
            raise fault_of('`trust = "labels"` needs `labels`: those that were audited')
        if self.vlm.captions is not None and self.learn is not None:
            raise fault_of("`vlm.captions` are of `photos`: drawn portraits have none")
        if self.vlm.tower is None and (self.loss.direction or self.loss.attributes):
            raise fault_of("`loss.direction` and `loss.attributes` need a `vlm.tower`")
        if self.judge is not None and self.judge == self.age:
            raise fault_of("`judge` must not be the network of the loss")
        try:
            self.years()
        except ValueError as error:
            raise fault_of(f"`anchors`: {error}") from None
        return self

    def years(self) -> Anchors:
        """The anchors with their bins."""
        if self.anchors == "ffhq_aging":
            return Anchors.ffhq_aging()
        return Anchors.at([float(age) for age in self.anchors])

    def inputs(self) -> Mapping[str, Path]:
        named = {"identity": self.identity, "age": self.age, "judge": self.judge}
        named["start"] = self.start
        if self.looks is not None:
            named |= {f"looks/{name}": name for name in DISTANCES.get(self.looks, ())}
        found = {role: find_weights(name) for role, name in named.items() if name is not None}
        if self.labels is not None:
            found["labels"] = Path(self.labels)
        if self.vlm.captions is not None:
            found |= {f"vlm/{n}": Path(self.vlm.captions) / n for n in (INDEX, EMBEDDINGS)}
        if (tower := self._tower) is not None:
            place = JanusTable(weights=tower).path()
            found |= {f"vlm/{path.name}": path for path in place.glob("*.safetensors")}
        return found

    def albums(self) -> Mapping[str, Path]:
        return {} if self.learn is not None else {"photos": self._folder()}

    def outline(self) -> Outline:
        """The networks that learn; those of the losses are left out where they are not here."""
        remarks: list[str] = []
        judges: dict[str, nn.Module] = {}
        try:
            judges = self._judged().frozen
        except MissingWeightsError as error:
            remarks.append(f"{error}; the networks of the losses are not counted")
        count = len(self.years())
        learned: dict[str, nn.Module] = {
            "generator": self.net.build_generator(self.size, count, self._guided),
            "discriminator": self.net.build_discriminator(self.size, count),
        }
        return Outline(learned, judges, remarks)

    def task(self) -> AgeTransformerTask:
        anchors, sources = self.years(), self._sources()
        facts: dict[str, Any] = {
            "version": self.net.version,
            "size": self.size,
            "window": self.net.window,
        }
        if self.learn is not None:
            facts |= {"domain": "portraits", "ood_threshold": OOD_THRESHOLD}
        if (maker := self._maker) is not None:
            facts["vlm"] = maker.facts()
        return AgeTransformerTask(
            self._judged(self._started(anchors)),
            sources,
            anchors,
            AgeAim(**self.loss.model_dump()),
            curriculum=self.curriculum,
            truth=self.learn is not None,
            facts=facts,
            guidance=self.vlm,
        )

    @property
    def _maker(self) -> Maker | None:
        """Who made the captions, None where none are named."""
        return None if self.vlm.captions is None else read_maker(Path(self.vlm.captions))

    @property
    def _guided(self) -> int:
        """Width of the embeddings that guide the generator, 0 for none."""
        return 0 if (maker := self._maker) is None else maker.d

    @property
    def _tower(self) -> str | None:
        """The image tower, None where no loss asks it."""
        return self.vlm.tower if self.loss.direction or self.loss.attributes else None

    def _sources(self) -> tuple[FaceSource, FaceSource]:
        if self.learn is not None and self.check is not None:
            return DrawnFaces(self.learn, self.size), DrawnFaces(self.check, self.size)
        folder, labels = self._folder(), Path(self.labels) if self.labels is not None else None
        how = (self.size, labels, self.reliability, self.trust == "labels")
        return FolderFaces(folder, "train", *how), FolderFaces(folder, "test", *how)

    def _folder(self) -> Path:
        if self.photos is None:
            raise RecipeError("`photos` is required", hint="give it here or on the command line")
        return Path(self.photos)

    def _started(self, anchors: Anchors) -> tuple[nn.Module, nn.Module]:
        """Generator and discriminator, fresh or as the start left them."""
        nets: tuple[nn.Module, nn.Module] = (
            self.net.build_generator(self.size, len(anchors), self._guided),
            self.net.build_discriminator(self.size, len(anchors)),
        )
        if self.start is None:
            return nets
        checkpoint = read_checkpoint(find_weights(self.start))
        self._require_same_maker(checkpoint)
        for net, part in zip(nets, ("generator", CRITICS[self.net.version]), strict=True):
            state = dict(checkpoint.part(part))
            if self.net.version == 1:
                state = completed(lambda net=net: deepcopy(net), state)
            if not guided_by(state):
                state |= {k: v for k, v in net.state_dict().items() if k.startswith(GUIDE)}
            if found := faults(net, state):
                raise WeightsError(f"`{self.start}` does not fit this recipe: {found[0]}")
            net.load_state_dict(state)
        return nets

    def _require_same_maker(self, checkpoint: Checkpoint) -> None:
        """WeightsError where the start was guided by other captions than these, or by any."""
        if "vlm" not in checkpoint.facts:
            return
        then, now = Maker.of(checkpoint.facts["vlm"]), self._maker
        if now is None:
            raise WeightsError(
                f"`{self.start}` is guided by captions", hint="name them as `vlm.captions`"
            )
        if told := then.differs(now):
            raise WeightsError(
                f"`{self.start}` is guided by captions of another model: {told}",
                hint="caption the faces with the model of the start",
            )

    def _judged(self, nets: tuple[nn.Module, nn.Module] | None = None) -> AgeNets:
        """The networks with those that judge them."""
        identity = load_identity_network(self.identity, CPU) if self.identity is not None else None
        age = load_age_estimator(self.age, CPU) if self.age is not None else None
        looks = load_distance(self.looks, CPU) if self.looks is not None else None
        judge = load_age_estimator(self.judge, CPU) if self.judge is not None else None
        tower = load_tower(self._tower, CPU) if self._tower is not None else None
        judges = {"identity": identity, "age": age, "looks": looks, "judge": judge, "tower": tower}
        frozen = {
            role: net
            for role, one in judges.items()
            if isinstance(net := getattr(one, "net", None), nn.Module)
        }
        generator, discriminator = (nn.Identity(), nn.Identity()) if nets is None else nets
        return AgeNets(
            generator,
            discriminator,
            identity=identity,
            age=age,
            looks=looks,
            scorer=judge,
            tower=tower,
            frozen=frozen,
        )
