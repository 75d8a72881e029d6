"""What a training computes: the loop calls, a task implements."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
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
    """All that a step may depend on beside the weights.

    step: of the run, from 0; phase_step: from the first step of the phase; objective: one of the
    recipe's `objectives`, empty where there are none; draws: the random numbers of the step.
    """

    step: int
    phase: str
    phase_step: int
    draws: Draws
    objective: str = ""


Batches = list[tuple[StepContext, Batch]]
"""The micro-batches of a step, each with its positions in the whole."""


class Best(Table):
    """The validation metric that picks the delivered weights."""

    metric: str
    goal: Literal["min", "max"] = "min"

    def better(self, value: float, than: float | None) -> bool:
        """Whether `value` is an improvement; a value that could not be measured never is."""
        if not isfinite(value):
            return False
        if than is None:
            return True
        return value < than if self.goal == "min" else value > than


class Task(ABC):
    """One kind of training: its networks, data and losses. The loop belongs to `Trainer`.

    parts: trained networks by name; frozen: networks that are only used and never saved;
    optimizer_steps: the optimizer steps of one step in order, each with the parts that it updates
    (a GAN has two); freeze_batch_norm: batch norms use their running statistics in training too;
    best: the validation metric that picks the delivered weights, None where nothing independent of
    the losses measures it: then the newest ones are delivered.
    """

    freeze_batch_norm: ClassVar[bool] = False

    parts: dict[str, nn.Module]
    frozen: dict[str, nn.Module]
    optimizer_steps: dict[str, tuple[str, ...]]
    best: Best | None

    def prepare(self, progress: Progress) -> None:  # noqa: B027, a task may need nothing
        """Render or read the data; called once, before the first step."""

    def precompute(self, device: torch.device, progress: Progress) -> None:  # noqa: B027
        """Compute what never changes, such as codes of photos; the networks are on the device."""

    def coupling(self) -> str | None:
        """Why the gradient of a batch is not the mean of those of its samples; None if it is."""
        return None

    @abstractmethod
    def batch(self, context: StepContext, batch: int) -> Batch:
        """The examples of one step, on the CPU; `batch` is the size over all processes.

        Called from another thread one step ahead: it may use `context.draws`, but no weights.
        """

    @abstractmethod
    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """The loss of one optimizer step, term by term; `batch` is on the device."""

    def backward_passes(
        self, optimizer_step: str, batch: Batch, context: StepContext
    ) -> Iterator[dict[str, Term]]:
        """The loss in parts whose gradients add up; the graph of each is freed before the next."""
        yield self.terms(optimizer_step, batch, context)

    @abstractmethod
    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Metrics on held-out data of `nets`, the weights to be delivered, in eval mode."""

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """A sample sheet, uint8 RGB (h, w, 3); None where there is nothing to show."""
        return None

    def status(self, step: int, metrics: Mapping[str, float]) -> dict[str, str]:
        """Groups that the task adds to a line of `checkpoints/timestamp.txt`, by name.

        metrics: of the last row of the journal.
        """
        return {}

    def warnings(self, metrics: Mapping[str, float]) -> Sequence[str]:
        """What is wrong with a training by a row of its journal; each sentence is shown once."""
        return ()

    @abstractmethod
    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The delivered file: the networks as `tm` loads them, with their facts."""


class TaskInPasses(Task):
    """A task whose loss comes in parts, each with its own backward pass."""

    @abstractmethod
    def backward_passes(
        self, optimizer_step: str, batch: Batch, context: StepContext
    ) -> Iterator[dict[str, Term]]:
        """The loss in parts whose gradients add up; the graph of each is freed before the next."""

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """All parts; `backward_passes` yields them one by one, in less memory."""
        return {
            name: term
            for terms in self.backward_passes(optimizer_step, batch, context)
            for name, term in terms.items()
        }
