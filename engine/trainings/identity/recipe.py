"""Recipes for identity networks."""

from typing import Literal, Self

from pydantic import Field, model_validator

from engine.config.base import RECIPES
from engine.core.table import fault_of
from engine.data.jitter import ColorJitter, Quality, Shading
from engine.data.portraits import PortraitData
from engine.nets.nano.identity import IdentitySpec, NanoIdentity
from engine.training.recipe import TrainingRecipe
from engine.trainings.identity.task import IdentityLoss, IdentityTask
from engine.trainings.predictions import seeded
from engine.trainings.staged_net import StagedNet


class IdentityNet(StagedNet):
    """The network: input size, widths of its stages, width of an embedding."""

    embedding: int = Field(default=128, ge=2)


@RECIPES.register("identity")
class IdentityRecipe(TrainingRecipe):
    """A network whose embeddings identify people."""

    kind: Literal["identity"] = "identity"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: IdentityNet = IdentityNet()
    data: PortraitData
    loss: IdentityLoss = IdentityLoss()
    shift: int = Field(default=3, ge=0)
    """Largest random shift of a picture, in px of the network's input."""
    jitter: ColorJitter | None = None
    """Random colours; none if absent."""
    quality: Quality | None = None
    """Random sharpness and grain; none if absent."""
    shading: Shading | None = None
    """Random coarse light and colours; none if absent."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        each, plan = self.loss.photographs, self.data.train
        if self.batch % each or self.batch < 2 * each:
            raise fault_of("`batch` must hold `loss.photographs` pictures of two people or more")
        if plan.scenes * plan.per_scene < each:
            raise fault_of("`data.train` has fewer pictures of a person than `loss.photographs`")
        return self

    def task(self) -> IdentityTask:
        spec = IdentitySpec(**self.net.model_dump())
        net = seeded(lambda: NanoIdentity(spec), self.seed)
        return IdentityTask(
            net,
            self.data,
            self.loss,
            shift=self.shift,
            jitter=self.jitter,
            quality=self.quality,
            shading=self.shading,
        )
