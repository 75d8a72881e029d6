"""Recipes for age networks: for losses, as evaluators, and as experts of `tm relabel`."""

from typing import Annotated, Literal

from pydantic import Field

from engine.config.base import RECIPES
from engine.core.table import Table
from engine.data.jitter import ColorJitter, Quality
from engine.data.portraits import PortraitData
from engine.nets.nano.age import AgeSpec, NanoAge
from engine.nets.nano.age_evaluator import AgeEvaluatorSpec, NanoAgeEvaluator
from engine.nets.nano.age_ordinal import AgeOrdinalSpec, NanoAgeOrdinal
from engine.nets.nano.age_tokens import PATCH, AgeTokensSpec, NanoAgeTokens
from engine.training.recipe import TrainingRecipe
from engine.trainings.age.loss import AgeLoss, MeanVarianceLoss, NormalLoss, OrdinalLoss
from engine.trainings.age.task import AgeTask
from engine.trainings.predictions import seeded
from engine.trainings.staged_net import StagedNet


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
    """A network that estimates apparent age."""

    kind: Literal["age"] = "age"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: Annotated[ResidualNet | PlainNet | OrdinalNet | TokensNet, Field(discriminator="kind")] = (
        ResidualNet()
    )
    """`residual` for losses, `plain` as evaluator, the others as experts of `tm relabel`."""
    data: PortraitData
    loss: MeanVarianceLoss = MeanVarianceLoss()
    """Of `residual` and `plain`; the losses of the others have no settings."""
    jitter: ColorJitter | None = ColorJitter()
    quality: Quality | None = None
    """Random sharpness and grain; none if absent."""
    shift: int = Field(default=3, ge=0)
    """Largest random shift of a picture, in px of the network's input."""

    @property
    def head_loss(self) -> AgeLoss:
        """The loss that goes with the network's head."""
        match self.net:
            case OrdinalNet():
                return OrdinalLoss()
            case TokensNet():
                return NormalLoss()
            case _:
                return self.loss

    def task(self) -> AgeTask:
        return AgeTask(
            seeded(self.net.build, self.seed),
            self.data,
            self.head_loss,
            size=self.net.size,
            jitter=self.jitter,
            shift=self.shift,
            quality=self.quality,
        )
