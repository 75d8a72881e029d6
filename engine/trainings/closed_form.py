"""What trainings share that solve equations: no gradient, no rate, every step over all data."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import model_validator
from torch import nn

from engine.core.table import fault_of
from engine.losses.terms import Term
from engine.schedules import Schedule
from engine.training.recipe import TrainingRecipe

UNUSED = ("rate", "optimizer", "clip", "average", "plateau", "best", "validate_every")


class ClosedFormRecipe(TrainingRecipe):
    """A training whose steps are solutions."""

    unused: ClassVar[frozenset[str]] = frozenset(
        {*UNUSED, "steps", "phase", "batch", "sample_every", "patience", "precision"}
    )

    def dump(self) -> dict[str, Any]:
        """As of any table; phases only where they are not those of the kind."""
        if self.phase == type(self).model_fields["phase"].default:
            return super().dump()
        phases = [phase.model_dump(include={"name", "steps", "objective"}) for phase in self.phase]
        return super().dump() | {"phase": phases}

    @model_validator(mode="after")
    def _closed_form(self) -> Self:
        for key in UNUSED:
            if getattr(self, key) is not None:
                raise fault_of(f"`{key}`: this training solves equations and has no such thing")
        return self

    def schedules(self) -> dict[str, tuple[Schedule, int]]:
        """None: there is no rate."""
        return {}


class ModelArrays(nn.Module):
    """The arrays of a model as parameters, so that checkpoints keep them; zero at first."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, of their own."""
        return {name: p.detach().cpu().numpy().copy() for name, p in self.named_parameters()}

    @torch.no_grad()
    def set_to(self, model: object) -> None:
        """Take over the arrays that a model has as attributes."""
        for name, parameter in self.named_parameters():
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(getattr(model, name))))


def reported_terms(values: Mapping[str, float]) -> dict[str, Term]:
    """Values for the journal, as terms of weight 0."""
    return {name: Term(torch.tensor(float(value)), 0.0) for name, value in values.items()}
