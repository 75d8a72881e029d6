"""Recipes for age networks: for losses, as evaluators, and as experts of `tm relabel`."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn

from engine.config.base import RECIPES
from engine.core.errors import MissingWeightsError, RecipeError
from engine.core.table import Table, fault_of
from engine.data.jitter import ColorJitter, Quality
from engine.data.portraits import PortraitData
from engine.nets.age.dex_vgg import Dex
from engine.nets.architectures import network_of
from engine.nets.named import state_of
from engine.nets.nano.age import AgeSpec, NanoAge
from engine.nets.nano.age_evaluator import AgeEvaluatorSpec, NanoAgeEvaluator
from engine.nets.nano.age_ordinal import AgeOrdinalSpec, NanoAgeOrdinal
from engine.nets.nano.age_tokens import PATCH, AgeTokensSpec, NanoAgeTokens
from engine.training.photos import require_photos
from engine.training.recipe import TrainingNetworks, TrainingRecipe
from engine.trainings.age.faces import read_faces
from engine.trainings.age.loss import AgeLoss, MeanVarianceLoss, NormalLoss, OrdinalLoss
from engine.trainings.age.task import AgeTask, Load
from engine.trainings.predictions import seeded
from engine.trainings.staged_net import StagedNet
from engine.weights.find import find_weights

TrainedNet = NanoAge | NanoAgeEvaluator | NanoAgeOrdinal | NanoAgeTokens | Dex


class ResidualNet(StagedNet):
    """Residual blocks."""

    kind: Literal["residual"] = "residual"

    def build(self) -> NanoAge:
        """The network, its weights drawn at random."""
        return NanoAge(AgeSpec(size=self.size, widths=self.widths))


class PlainNet(StagedNet):
    """Plain strided convolutions, then a hidden layer."""

    kind: Literal["plain"] = "plain"
    size: int = Field(default=112, ge=16)
    widths: tuple[int, ...] = (24, 48, 80, 128)
    hidden: int = Field(default=64, ge=1)

    def build(self) -> NanoAgeEvaluator:
        """The network, its weights drawn at random."""
        return NanoAgeEvaluator(
            AgeEvaluatorSpec(size=self.size, widths=self.widths, hidden=self.hidden)
        )


class OrdinalNet(StagedNet):
    """Convolutions on luma and its texture; ordinal output."""

    kind: Literal["ordinal"] = "ordinal"
    widths: tuple[int, ...] = (24, 48, 80, 128)
    hidden: int = Field(default=64, ge=1)

    def build(self) -> NanoAgeOrdinal:
        """The network, its weights drawn at random."""
        spec = AgeOrdinalSpec(size=self.size, widths=self.widths, hidden=self.hidden)
        return NanoAgeOrdinal(spec)


class TokensNet(Table):
    """Attention over patches; output is a mean and a variance."""

    kind: Literal["tokens"] = "tokens"
    size: int = Field(default=96, ge=PATCH, multiple_of=PATCH)
    width: int = Field(default=96, ge=12, multiple_of=12)
    depth: int = Field(default=3, ge=1)

    def build(self) -> NanoAgeTokens:
        """The network, its weights drawn at random."""
        return NanoAgeTokens(AgeTokensSpec(size=self.size, width=self.width, depth=self.depth))


@RECIPES.register("age")
class AgeRecipe(TrainingRecipe):
    """A network that estimates apparent age, of drawn people or of photographs with ages.

    With `start` it goes on from an age network by name, run or file (`dex`, `nano-age`, ...), whose
    shape then takes the place of `net`.
    """

    can_start: ClassVar[bool] = True
    data_keys: ClassVar[tuple[str, ...]] = ("photos", "labels")

    kind: Literal["age"] = "age"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: Annotated[ResidualNet | PlainNet | OrdinalNet | TokensNet, Field(discriminator="kind")] = (
        ResidualNet()
    )
    """`residual` for losses, `plain` as evaluator, the others as experts of `tm relabel`."""
    photos: str | None = None
    """Folder of aligned faces, in place of `data`: ages by manifest, by names, or by `labels`."""
    labels: str | None = None
    """The `labels.json` of `tm relabel` for these faces, or its manifest (`.jsonl`)."""
    data: PortraitData | None = None
    """The drawn people, where there are no `photos`."""
    loss: MeanVarianceLoss = MeanVarianceLoss()
    """Of `residual` and `plain`; the losses of the others have no settings."""
    jitter: ColorJitter | None = ColorJitter()
    quality: Quality | None = None
    """Random sharpness and grain; none if absent."""
    shift: int = Field(default=3, ge=0)
    """Largest random shift of a picture, in px of the network's input."""

    @model_validator(mode="after")
    def _has_pictures(self) -> Self:
        if self.photos is None and self.data is None and self.start is None:
            raise fault_of("`data` is required, or `photos`")
        if self.labels is not None and self.photos is None:
            raise fault_of("`labels` are those of `photos`")
        return self

    def inputs(self) -> Mapping[str, Path]:
        files = {} if self.start is None else {"start": find_weights(self.start)}
        return files if self.labels is None else {**files, "labels": Path(self.labels)}

    def albums(self) -> Mapping[str, Path]:
        """The photographs."""
        return {} if self.photos is None else {"photos": Path(self.photos)}

    def missing_data(self) -> Sequence[str]:
        return ["photos"] if self.photos is None and self.data is None else []

    def networks_only(self) -> TrainingNetworks:
        """The network, that of DEX where its weights are missing; reads no picture."""
        try:
            return TrainingNetworks({"age": self._net()}, {})
        except MissingWeightsError as error:
            with torch.device("meta"):
                return TrainingNetworks({"age": Dex()}, {}, [f"{error}; the figures are DEX's"])

    def _net(self) -> TrainedNet:
        return seeded(self.net.build, self.seed) if self.start is None else _earlier(self.start)

    def task(self) -> AgeTask:
        net = self._net()
        size = net.spec.size
        return AgeTask(
            net,
            self._pictures(size),
            self._loss_of(net),
            size=size,
            jitter=self.jitter,
            shift=self.shift,
            quality=self.quality,
        )

    def _loss_of(self, net: nn.Module) -> AgeLoss:
        """The loss that goes with the network's head."""
        match net:
            case NanoAgeOrdinal():
                return OrdinalLoss()
            case NanoAgeTokens():
                return NormalLoss()
            case _:
                return self.loss

    def _pictures(self, size: int) -> PortraitData | Load:
        if self.photos is None and self.data is not None:
            return self.data
        folder = Path(self.require("photos"))
        if self.labels is None:
            require_photos(folder)
        return partial(read_faces, folder, None if self.labels is None else Path(self.labels), size)


def _earlier(start: str) -> TrainedNet:
    """The age network of a start, to be trained on; RecipeError for one without a head to train."""
    net = network_of(state_of(start, "age", copy=True), "age")
    if not isinstance(net, TrainedNet):
        raise RecipeError(f"`{start}` holds a `{type(net).__name__}`, which is not trained here")
    return net
