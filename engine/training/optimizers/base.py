"""What an optimizer is in a recipe."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import SerializeAsAny
from torch.optim import Optimizer

from engine.core.registry import Registry
from engine.core.table import Table, one_of

OPTIMIZERS: Registry["OptimizerChoice"] = Registry(
    "optimizer", package="engine.training.optimizers"
)


class OptimizerChoice(Table, ABC):
    """An optimizer without its learning rate, which is a schedule of the phase."""

    kind: str

    @abstractmethod
    def build(self, groups: Sequence[dict[str, Any]]) -> Optimizer:
        """The optimizer over parameter groups, each with `params` and a rate `lr`."""


def _named(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


OptimizerValue = Annotated[SerializeAsAny[OptimizerChoice], one_of(OPTIMIZERS, short=_named)]
"""The type of recipe keys that name an optimizer: `"ranger"`, or a table with its `kind`."""
