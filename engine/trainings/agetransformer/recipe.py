"""Recipes for AgeTransformers."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn

from engine.config.base import RECIPES
from engine.core.errors import MissingWeightsError, WeightsError
from engine.core.numbers import Real
from engine.core.table import Table, fault_of
from engine.data.anchors import Anchors
from engine.data.captions import EMBEDDINGS, INDEX, Maker, read_maker
from engine.data.label_curriculum import LabelCurriculum
from engine.data.labelled import DrawnFaces, FaceSource
from engine.data.portraits import PortraitData
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
from engine.nets.named import load_age_estimator, load_distance, load_identity_network
from engine.nets.nano.encoder import OOD_THRESHOLD
from engine.nets.stylegan2.spec import widths
from engine.training.recipe import TrainingNetworks, TrainingRecipe
from engine.trainings.age_evaluators import load_age_evaluator
from engine.trainings.agetransformer.guidance import VlmGuidance
from engine.trainings.agetransformer.labelled import FolderFaces
from engine.trainings.agetransformer.loss import AgeTransformerLoss
from engine.trainings.agetransformer.task import OBJECTIVES, AgeNets, AgeTransformerTask
from engine.trainings.networks import modules_of, network_files
from engine.weights.checkpoint import Checkpoint
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

STYLE = 512
CPU = torch.device("cpu")


class AgeTransformerNet(Table):
    """The version, and for the second one the channels of its networks."""

    version: Literal[1, 2] = 2
    """1 is the published network with its own widths; its age enters at the first convolution."""
    stem: int = Field(default=16, ge=1)
    """Channels at full size."""
    widths: tuple[int, ...] = (48, 96, 160)
    """Channels of the encoder after 1, 2, 3, ... halvings."""
    decoder_widths: tuple[int, ...] = (16, 48, 96)
    """Channels of the decoder at the same sizes."""
    blocks: int = Field(default=3, ge=0)
    """Window attention blocks at the smallest size, shared by all ages."""
    convolved: int = Field(default=2, ge=0)
    """Number of the decoder's largest sizes that have convolutions instead of windows."""
    style: int = Field(default=192, ge=1)
    shared_channels: int = Field(default=24, ge=1)
    """Maps at half size that all ages share and each mixes anew."""
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
        return SlimTransformer(
            SlimSpec(
                size=size,
                anchors=anchors,
                stem=self.stem,
                widths=self.widths,
                decoder_widths=self.decoder_widths,
                blocks=self.blocks,
                convolved=self.convolved,
                style=self.style,
                shared_channels=self.shared_channels,
                window=self.window,
                guided=guided,
            )
        )

    def build_discriminator(
        self, size: int, anchors: int
    ) -> PublishedDiscriminator | SlimDiscriminator:
        """A fresh discriminator."""
        if self.version == 1:
            return PublishedDiscriminator(PublishedDiscriminatorSpec(anchors, widths(size)[::-1]))
        return SlimDiscriminator(anchors, self.discriminator)


class AgeTransformerNetworks(Table):
    """Frozen networks by name, run or file."""

    identity: str | None = None
    """Identity network of loss and validation: `ir-se50`, `nano-identity`, a run or a file."""
    age: str | None = None
    """Age estimator of the loss."""
    age_evaluator: str | None = None
    """Age estimator of the validation, in no loss: an expert of `tm relabel` by its kind, or an age
    network by name, run or file."""
    perceptual: str | None = None
    """Distance between pictures, for the loss."""


@RECIPES.register("agetransformer")
class AgeTransformerRecipe(TrainingRecipe):
    """One face in, every anchor age out: from rendered faces with known truth, or from labels."""

    can_start: ClassVar[bool] = True
    data_keys: ClassVar[tuple[str, ...]] = ("photos", "labels")
    objectives: ClassVar[tuple[str, ...]] = OBJECTIVES

    kind: Literal["agetransformer"] = "agetransformer"  # pyright: ignore[reportIncompatibleVariableOverride]
    size: int = Field(default=128, ge=16, le=512)
    anchors: tuple[Real, ...] | Literal["ffhq_aging"] = tuple(range(5, 100, 10))
    """Ages in years, whose bins meet halfway; or the ten classes of FFHQ-Aging."""
    net: AgeTransformerNet = AgeTransformerNet()
    data: PortraitData | None = None
    """Rendered portraits, in place of `photos`."""
    photos: str | None = None
    """Folder of aligned faces with ages; one in twenty is held out, by person."""
    labels: str | None = None
    """The `labels.json` of `tm relabel` for these faces, or its manifest (`.jsonl`)."""
    prefer: Literal["source", "enhanced"] = "source"
    """The face itself, or the picture enhanced from it where the manifest in `labels` names one
    (`tm relabel --enhanced DIR`)."""
    reliability: bool = True
    """Whether uncertain labels have less weight; else every label is taken as exact."""
    trust: Literal["experts", "labels"] = "experts"
    """The age of a face whose label passed the audit of `tm relabel --labels`: the experts'
    estimate, or the label, taken as exact."""
    curriculum: LabelCurriculum = LabelCurriculum()
    loss: AgeTransformerLoss = AgeTransformerLoss()
    vlm: VlmGuidance = VlmGuidance()
    networks: AgeTransformerNetworks = AgeTransformerNetworks()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.data is not None and self.photos is not None:
            raise fault_of("`photos` and `data` exclude each other")
        plans = () if self.data is None else (self.data.train, self.data.validation)
        if any(plan.size < self.size or plan.per_scene < 2 for plan in plans):
            raise fault_of("`data` needs pictures of `size`, at two ages or more")
        if self.net.version == 1 and (self.size < 32 or self.size & (self.size - 1)):
            raise fault_of("the published network takes a power of two from 32 px up")
        if self.trust == "labels" and self.labels is None:
            raise fault_of('`trust = "labels"` needs `labels`')
        if self.vlm.captions is not None and self.data is not None:
            raise fault_of("`vlm.captions` need `photos`: rendered portraits have no captions")
        if self.vlm.tower is None and self.loss.needs_tower:
            raise fault_of("`loss.direction` and `loss.attributes` need a `vlm.tower`")
        evaluator = self.networks.age_evaluator
        if evaluator is not None and evaluator == self.networks.age:
            raise fault_of("`networks.age_evaluator` must not be the network of the loss")
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
        files = network_files(self.networks)
        if self.start is not None:
            files["start"] = find_weights(self.start)
        if self.labels is not None:
            files["labels"] = Path(self.labels)
        if self.vlm.captions is not None:
            files |= {f"vlm/{n}": Path(self.vlm.captions) / n for n in (INDEX, EMBEDDINGS)}
        if (tower := self._tower) is not None:
            place = JanusTable(weights=tower).path()
            files |= {f"vlm/{path.name}": path for path in place.glob("*.safetensors")}
        return files

    def albums(self) -> Mapping[str, Path]:
        return {} if self.data is not None else {"photos": Path(self.require("photos"))}

    def missing_data(self) -> Sequence[str]:
        return ["photos"] if self.data is None and self.photos is None else []

    def networks_only(self) -> TrainingNetworks:
        """The trained networks; those of the losses are left out where they are missing."""
        remarks: list[str] = []
        frozen: dict[str, nn.Module] = {}
        try:
            frozen = self._with_frozen().frozen
        except MissingWeightsError as error:
            remarks.append(f"{error}; the networks of the losses are not counted")
        count = len(self.years())
        trained: dict[str, nn.Module] = {
            "generator": self.net.build_generator(self.size, count, self._guided),
            "discriminator": self.net.build_discriminator(self.size, count),
        }
        return TrainingNetworks(trained, frozen, remarks)

    def task(self) -> AgeTransformerTask:
        anchors, sources = self.years(), self._sources()
        facts: dict[str, Any] = {
            "version": self.net.version,
            "size": self.size,
            "window": self.net.window,
        }
        if self.data is not None:
            facts |= {"domain": "portraits", "ood_threshold": OOD_THRESHOLD}
        if (maker := self._maker) is not None:
            facts["vlm"] = maker.facts()
        return AgeTransformerTask(
            self._with_frozen(self._trained(anchors)),
            sources,
            anchors,
            self.loss,
            curriculum=self.curriculum,
            truth=self.data is not None,
            facts=facts,
            guidance=self.vlm,
        )

    @property
    def _maker(self) -> Maker | None:
        """The model that made the captions, None without captions."""
        return None if self.vlm.captions is None else read_maker(Path(self.vlm.captions))

    @property
    def _guided(self) -> int:
        """Width of the caption embeddings, 0 without captions."""
        return 0 if (maker := self._maker) is None else maker.d

    @property
    def _tower(self) -> str | None:
        """The image tower, None where no loss uses it."""
        return self.vlm.tower if self.loss.needs_tower else None

    def held_out(self) -> FaceSource:
        """The faces of the validation, which are in no training."""
        return self._sources()[1]

    def _sources(self) -> tuple[FaceSource, FaceSource]:
        if self.data is not None:
            plans = self.data.train, self.data.validation
            return DrawnFaces(plans[0], self.size), DrawnFaces(plans[1], self.size)
        folder = Path(self.require("photos"))
        labels = None if self.labels is None else Path(self.labels)
        settings = (
            *(self.size, labels, self.reliability),
            *(self.trust == "labels", self.prefer == "enhanced"),
        )
        return FolderFaces(folder, "train", *settings), FolderFaces(folder, "test", *settings)

    def _trained(self, anchors: Anchors) -> tuple[nn.Module, nn.Module]:
        """Generator and discriminator, fresh or those of the start."""
        nets: tuple[nn.Module, nn.Module] = (
            self.net.build_generator(self.size, len(anchors), self._guided),
            self.net.build_discriminator(self.size, len(anchors)),
        )
        if self.start is None:
            return nets
        checkpoint = read_checkpoint(find_weights(self.start))
        self._require_same_maker(checkpoint)
        for net, part in zip(nets, ("generator", "discriminator"), strict=True):
            state = dict(checkpoint.part(part))
            if self.net.version == 1:
                state = completed(lambda net=net: deepcopy(net), state)
            if not guided_by(state):
                state |= {k: v for k, v in net.state_dict().items() if k.startswith(GUIDE)}
            if mismatches := faults(net, state):
                raise WeightsError(f"`{self.start}` does not fit this recipe: {mismatches[0]}")
            net.load_state_dict(state)
        return nets

    def _require_same_maker(self, checkpoint: Checkpoint) -> None:
        """WeightsError if the start was guided by captions of another model than these."""
        if "vlm" not in checkpoint.facts:
            return
        before, now = Maker.of(checkpoint.facts["vlm"]), self._maker
        if now is None:
            raise WeightsError(
                f"`{self.start}` is guided by captions", hint="name them as `vlm.captions`"
            )
        if difference := before.differs(now):
            raise WeightsError(
                f"`{self.start}` is guided by captions of another model: {difference}",
                hint="caption the faces with the model of the start",
            )

    def _with_frozen(self, nets: tuple[nn.Module, nn.Module] | None = None) -> AgeNets:
        """The trained networks with the frozen ones of losses and validation."""
        named = self.networks
        identity = None if named.identity is None else load_identity_network(named.identity, CPU)
        age = None if named.age is None else load_age_estimator(named.age, CPU)
        perceptual = None if named.perceptual is None else load_distance(named.perceptual, CPU)
        evaluator = load_age_evaluator(named.age_evaluator, networks=named, device=CPU)
        tower = None if self._tower is None else load_tower(self._tower, CPU)
        readers = {
            "identity": identity,
            "age": age,
            "perceptual": perceptual,
            "age_evaluator": evaluator,
            "tower": tower,
        }
        generator, discriminator = (nn.Identity(), nn.Identity()) if nets is None else nets
        return AgeNets(
            generator,
            discriminator,
            identity=identity,
            age=age,
            perceptual=perceptual,
            age_evaluator=evaluator,
            tower=tower,
            frozen=modules_of(readers),
        )
