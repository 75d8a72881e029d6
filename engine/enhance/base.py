"""A step of the chain: chosen by a recipe, built once, applied to picture after picture."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from pydantic import Field
from torch import Tensor

from engine.core.registry import Registry
from engine.core.table import Table
from engine.data.domains import Domain
from engine.enhance.models import Model, read_model, weights_of
from engine.images.raster import Raster

ENHANCERS: Registry["StepChoice"] = Registry("step", package="engine.enhance.steps")


class StepChoice(Table, ABC):
    """A step in a recipe."""

    kind: str
    strength: float = Field(default=1.0, ge=0, le=1)
    """0 leaves the picture as it is (bicubic where the step enlarges), 1 is the full effect."""
    weights: str | None = None
    """A file, or a name of `tm weights list`; the best of the installed ones if absent."""

    published: ClassVar[tuple[str, ...]]
    """Names of the published weights of the step, best first."""
    shipped: ClassVar[str]
    """The nano network in the package that is used without them."""
    colours: ClassVar[bool] = False
    """Whether it only gives colours, so that the guard compares the faces of the picture in luma:
    to a network that sees colours a coloured face is another one."""
    packaged: ClassVar[str | None] = None
    """Weights that another package brings, used without the published ones."""

    @property
    def candidates(self) -> tuple[str, ...]:
        """The published weights that can do what the recipe asks for, best first."""
        return self.published

    def uses_package(self, domain: Domain) -> bool:
        """Whether weights of another package go before the nano network: for photographs."""
        return domain == "photos"

    def file(self, domain: Domain = "photos") -> tuple[str, Path]:
        """The name and file of the weights for a domain; WeightsError where there are none."""
        packaged = self.packaged if self.uses_package(domain) else None
        return weights_of(self.weights, self.candidates, self.shipped, packaged)

    def model(self, device: torch.device, domain: Domain = "photos") -> Model:
        """Load the network for a domain, frozen, to its device."""
        name, path = self.file(domain)
        stand_in = self.weights is None and name == self.shipped
        model = read_model(path, name, stand_in=stand_in)
        model.net.to(device)
        return model

    @abstractmethod
    def build(self, model: Model, device: torch.device) -> "PictureStep | FaceStep":
        """The step on a device; UsageError for a network of another kind."""


def out_of_domain(model: Model, domain: Domain, *, force: bool) -> str | None:
    """Why a network trained on drawn portraits skips a picture; None if it does not."""
    if model.domain == "portraits" and domain != "portraits" and not force:
        return f"`{model.name}` knows drawn portraits only"
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """The result of a step at full strength, and the settings that were chosen for it."""

    picture: Raster
    used: dict[str, Any] = field(default_factory=dict[str, Any])


@runtime_checkable
class PictureStep(Protocol):
    """Changes the whole picture."""

    model: Model
    scale: int
    """How many times longer the sides become."""

    def declines(self, picture: Raster, domain: Domain, *, force: bool) -> str | None:
        """Why the step skips this picture; None if it does not."""
        ...

    def apply(self, picture: Raster, used: dict[str, Any] | None = None) -> Made:
        """The picture at full strength; `used` is that of an earlier run, to be repeated."""
        ...


@runtime_checkable
class FaceStep(Protocol):
    """Changes aligned faces of one size."""

    model: Model
    side: int

    def declines(self, picture: Raster, domain: Domain, *, force: bool) -> str | None:
        """Why the step skips this picture; None if it does not."""
        ...

    def restore(self, face: Tensor) -> Tensor:
        """A face (1, 3, side, side) in [-1, 1], restored; the same again for the same face."""
        ...
