"""Recipes for identity networks."""

from typing import Literal, Self

from pydantic import Field, model_validator

from engine.config.base import RECIPES
from engine.core.table import Table, fault_of
from engine.data.portraits import PortraitPlan
from engine.losses.margin import Margin
from engine.nets.nano.identity import IdentitySpec, NanoIdentity
from engine.training.recipe import TrainingRecipe
from engine.trainings.identity.task import IdentityAim, IdentityTask
from engine.trainings.predictions import drawn
from engine.trainings.staged_net import StagedNet


class IdentityNetTable(StagedNet):
    """The network: input size, widths of its stages, width of an embedding."""

    embedding: int = Field(default=128, ge=2)


class IdentityLoss(Table):
    """The margin softmax over the people of a batch."""

    photographs: int = Field(default=4, ge=2)
    """Pictures of each person in a batch."""
    scale: float = Field(default=20.0, gt=0)
    margin: float = Field(default=0.15, ge=0)
    kind: Margin = "cosine"
    """`cosine` as CosFace, `angle` (radians) as ArcFace."""


@RECIPES.register("identity")
class IdentityRecipe(TrainingRecipe):
    """A network that tells who somebody is."""

    kind: Literal["identity"] = "identity"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: IdentityNetTable = IdentityNetTable()
    learn: PortraitPlan
    check: PortraitPlan
    loss: IdentityLoss = IdentityLoss()
    shift: int = Field(default=3, ge=0)
    """Largest random move of a picture, in px of the network's input."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.batch % self.loss.photographs or self.batch < 2 * self.loss.photographs:
            raise fault_of("`batch` must hold `loss.photographs` pictures of two people or more")
        if self.learn.scenes * self.learn.per_scene < self.loss.photographs:
            raise fault_of("`learn` has fewer pictures of a person than `loss.photographs`")
        return self

    def task(self) -> IdentityTask:
        spec = IdentitySpec(**self.net.model_dump())
        aim = IdentityAim(**self.loss.model_dump())
        net = drawn(lambda: NanoIdentity(spec), self.seed)
        return IdentityTask(net, self.learn, self.check, aim, shift=self.shift)
