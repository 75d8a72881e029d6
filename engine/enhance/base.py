"""What a step of the chain is: chosen by a recipe, built once, asked picture after picture."""

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
from engine.enhance.models import Model, found_file, read_model
from engine.images.raster import Raster

ENHANCERS: Registry["StepChoice"] = Registry("step", package="engine.enhance.steps")


class StepChoice(Table, ABC):
    """A step as a recipe names it; its class builds what works."""

    kind: str
    strength: float = Field(default=1.0, ge=0, le=1)
    """0 leaves the picture as it is (enlarged plainly where the step enlarges), 1 is all of it."""
    weights: str | None = None
    """A file, or a name of `tm weights list`; the best that is here if absent."""

    published: ClassVar[tuple[str, ...]]
    """Names of the published weights it was made for, best first."""
    shipped: ClassVar[str]
    """The nano network of the package that stands in for them."""

    def file(self) -> tuple[str, Path]:
        """The name and file of its weights; WeightsError where there are none."""
        return found_file(self.weights, self.published, self.shipped)

    def model(self, device: torch.device) -> Model:
        """Load the network, frozen, to its device."""
        name, path = self.file()
        stand_in = self.weights is None and name == self.shipped
        model = read_model(path, name, stand_in=stand_in)
        model.net.to(device)
        return model

    @abstractmethod
    def build(self, model: Model, device: torch.device) -> "PictureStep | FaceStep":
        """Put it to work."""


def unfamiliar(model: Model, domain: Domain, *, force: bool) -> str | None:
    """Why a network that knows drawn portraits only should leave this picture alone."""
    if model.domain == "portraits" and domain != "portraits" and not force:
        return f"`{model.name}` knows drawn portraits only"
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What a step made of a picture at full strength, and what it used for it."""

    picture: Raster
    used: dict[str, Any] = field(default_factory=dict[str, Any])


@runtime_checkable
class PictureStep(Protocol):
    """Changes the whole picture."""

    model: Model
    scale: int
    """How many times longer the sides become."""

    def declines(self, picture: Raster, domain: Domain, *, force: bool) -> str | None:
        """Why this picture is not for this step; None if it is."""
        ...

    def apply(self, picture: Raster, used: dict[str, Any] | None = None) -> Made:
        """The picture at full strength; `used`, of an earlier run, is repeated where it matters."""
        ...


@runtime_checkable
class FaceStep(Protocol):
    """Changes aligned faces of one size."""

    model: Model
    side: int

    def declines(self, picture: Raster, domain: Domain, *, force: bool) -> str | None:
        """Why this picture is not for this step; None if it is."""
        ...

    def restore(self, face: Tensor) -> Tensor:
        """A face (1, 3, side, side) in [-1, 1], restored; the same again for the same face."""
        ...
