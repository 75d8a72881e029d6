"""Recipes for age networks: of the family that losses use, and of the one that only judges."""

from typing import Annotated, Literal

from pydantic import Field

from engine.core.table import Table
from engine.data.jitter import ColourJitter
from engine.data.portraits import PortraitPlan
from engine.nets.nano.age import AgeSpec, NanoAge
from engine.nets.nano.age_judge import AgeJudgeSpec, NanoAgeJudge
from engine.recipe.base import RECIPES
from engine.recipe.staged import StagedNet
from engine.recipe.training import TrainingRecipe
from engine.training.tasks.age import AgeAim, AgeTask
from engine.training.tasks.judging import drawn


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

    def build(self) -> NanoAgeJudge:
        """The network, its weights drawn at random."""
        return NanoAgeJudge(AgeJudgeSpec(size=self.size, widths=self.widths, hidden=self.hidden))


class AgeLoss(Table):
    """The mean-variance loss with its softmax part."""

    spread: float = Field(default=3.0, ge=0)
    """Standard deviation in years of the target distribution; 0: the exact age."""
    mean: float = Field(default=0.02, ge=0)
    variance: float = Field(default=0.005, ge=0)


@RECIPES.register("age")
class AgeRecipe(TrainingRecipe):
    """A network that tells how old somebody looks."""

    kind: Literal["age"] = "age"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: Annotated[ResidualNet | PlainNet, Field(discriminator="kind")] = ResidualNet()
    """`residual` for losses, `plain` for judging."""
    learn: PortraitPlan
    check: PortraitPlan
    loss: AgeLoss = AgeLoss()
    jitter: ColourJitter | None = ColourJitter()
    shift: int = Field(default=3, ge=0)
    """Largest random move of a picture, in px of the network's input."""

    def task(self) -> AgeTask:
        return AgeTask(
            drawn(self.net.build, self.seed),
            self.learn,
            self.check,
            AgeAim(**self.loss.model_dump()),
            size=self.net.size,
            jitter=self.jitter,
            shift=self.shift,
        )
