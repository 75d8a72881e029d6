"""Recipes for age networks: of the families that losses use, that judge, and that vote."""

from typing import Annotated, Literal

from pydantic import Field

from engine.config.base import RECIPES
from engine.core.table import Table
from engine.data.jitter import ColorJitter
from engine.data.portraits import PortraitPlan
from engine.nets.nano.age import AgeSpec, NanoAge
from engine.nets.nano.age_evaluator import AgeEvaluatorSpec, NanoAgeEvaluator
from engine.nets.nano.age_ordinal import AgeOrdinalSpec, NanoAgeOrdinal
from engine.nets.nano.age_tokens import PATCH, AgeTokensSpec, NanoAgeTokens
from engine.training.recipe import TrainingRecipe
from engine.trainings.age.objectives import AgeAim, DistributionAim, NormalAim, OrdinalAim
from engine.trainings.age.task import AgeTask
from engine.trainings.predictions import drawn
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
    """Convolutions on luma and its texture, to the birthdays that are passed."""

    kind: Literal["ordinal"] = "ordinal"
    widths: tuple[int, ...] = (24, 48, 80, 128)
    hidden: int = Field(default=64, ge=1)

    def build(self) -> NanoAgeOrdinal:
        """The network, its weights drawn at random."""
        spec = AgeOrdinalSpec(size=self.size, widths=self.widths, hidden=self.hidden)
        return NanoAgeOrdinal(spec)


class TokensNet(Table):
    """Attention over patches, to a mean and its spread."""

    kind: Literal["tokens"] = "tokens"
    size: int = Field(default=96, ge=PATCH, multiple_of=PATCH)
    width: int = Field(default=96, ge=12, multiple_of=12)
    depth: int = Field(default=3, ge=1)

    def build(self) -> NanoAgeTokens:
        """The network, its weights drawn at random."""
        return NanoAgeTokens(AgeTokensSpec(size=self.size, width=self.width, depth=self.depth))


class AgeLoss(Table):
    """The mean-variance loss with its softmax part, of networks that answer with a distribution."""

    spread: float = Field(default=3.0, ge=0)
    """Standard deviation in years of the target distribution; 0: the exact age."""
    mean: float = Field(default=0.02, ge=0)
    variance: float = Field(default=0.005, ge=0)


@RECIPES.register("age")
class AgeRecipe(TrainingRecipe):
    """A network that tells how old somebody looks."""

    kind: Literal["age"] = "age"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: Annotated[ResidualNet | PlainNet | OrdinalNet | TokensNet, Field(discriminator="kind")] = (
        ResidualNet()
    )
    """`residual` for losses, `plain` for judging, the others to vote in `tm relabel`."""
    learn: PortraitPlan
    check: PortraitPlan
    loss: AgeLoss = AgeLoss()
    """Of `residual` and `plain`; the other two have losses of their own, without settings."""
    jitter: ColorJitter | None = ColorJitter()
    shift: int = Field(default=3, ge=0)
    """Largest random move of a picture, in px of the network's input."""

    @property
    def aim(self) -> AgeAim:
        """The loss that goes with the network's head."""
        match self.net:
            case OrdinalNet():
                return OrdinalAim()
            case TokensNet():
                return NormalAim()
            case _:
                return DistributionAim(**self.loss.model_dump())

    def task(self) -> AgeTask:
        return AgeTask(
            drawn(self.net.build, self.seed),
            self.learn,
            self.check,
            self.aim,
            size=self.net.size,
            jitter=self.jitter,
            shift=self.shift,
        )
