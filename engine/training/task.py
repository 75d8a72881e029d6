"""What a training computes: the loop asks, a task answers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from engine.core.progress import Progress
from engine.core.table import Table
from engine.losses.terms import Term
from engine.runtime.draws import Draws
from engine.weights.checkpoint import Checkpoint

Batch = Mapping[str, Tensor]
Nets = Mapping[str, nn.Module]


@dataclass(frozen=True, slots=True)
class StepContext:
    """Where a training stands: all that a step may depend on, beside its weights.

    step: of the run, from 0; phase_step: from the first step of the phase; trainable: the parts
    (or dotted modules of parts) that learn in this phase.
    """

    step: int
    phase: str
    phase_step: int
    trainable: frozenset[str]
    draws: Draws


class Best(Table):
    """Which figure of the validation picks the weights that are delivered."""

    metric: str
    goal: Literal["min", "max"] = "min"

    def better(self, value: float, than: float | None) -> bool:
        """Whether `value` beats what stood before."""
        if than is None:
            return True
        return value < than if self.goal == "min" else value > than


class Task(ABC):
    """One kind of training. It owns networks and data, and no loop.

    parts: networks that learn, by name; frozen: networks that are only used, never saved;
    optimizer_steps: what one step does in order, each with the parts that it moves (a GAN has two);
    keeps_statistics: batch norms use and keep their running statistics while they learn.
    """

    keeps_statistics: ClassVar[bool] = False

    parts: dict[str, nn.Module]
    frozen: dict[str, nn.Module]
    optimizer_steps: dict[str, tuple[str, ...]]
    best: Best

    def prepare(self, progress: Progress) -> None:  # noqa: B027, a task may need nothing
        """Get the data ready: render, read, measure; called once, before the first step."""

    def precompute(self, device: torch.device, progress: Progress) -> None:  # noqa: B027
        """Compute once what never changes, such as codes of photos; the networks are in place."""

    @abstractmethod
    def batch(self, context: StepContext, batch: int) -> Batch:
        """The examples of one step, on the CPU; `batch` is the size over all processes.

        Called from another thread one step ahead, so it may use `context.draws` and no weights.
        """

    @abstractmethod
    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """The loss of one optimizer_step, term by term; `batch` is on the device."""

    def backward_passes(
        self, optimizer_step: str, batch: Batch, context: StepContext
    ) -> Iterator[dict[str, Term]]:
        """The loss in parts whose gradients add up; what a part kept is freed before the next."""
        yield self.terms(optimizer_step, batch, context)

    @abstractmethod
    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Figures of `nets` (what would be delivered, in eval mode) on data never learned from."""

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """A picture for a person, uint8 RGB (h, w, 3); None where there is nothing to see."""
        return None

    def noted(self, step: int, figures: Mapping[str, float]) -> dict[str, str]:
        """What a line of `checkpoints/timestamp.txt` says besides, by name.

        figures: of the last row of the journal.
        """
        return {}

    @abstractmethod
    def checkpoint(self, nets: Nets) -> Checkpoint:
        """What is delivered: the networks as `tm` loads them, with their facts."""
