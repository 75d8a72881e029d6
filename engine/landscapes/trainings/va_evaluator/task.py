"""The training of the VA evaluator, independent of any generator."""

import torch

from engine.core.progress import Progress
from engine.landscapes.inference.batches import in_batches
from engine.landscapes.metrics.evaluation import va_agreement
from engine.landscapes.nets.evaluator import VaEvaluator
from engine.landscapes.trainings.data import LandscapeSource
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.weights.checkpoint import Checkpoint

PART = "va_evaluator"
"""The network's name in checkpoints."""


class VaEvaluatorTask(Task):
    """Regression of valence and arousal by the mean squared error; augmented by flips only."""

    def __init__(self, net: VaEvaluator, source: LandscapeSource) -> None:
        self.net = net.to(memory_format=torch.channels_last)
        self.parts, self.frozen = {PART: net}, {}
        self.optimizer_steps = {"main": (PART,)}
        self.best = Best(metric="mae", goal="min")
        self.source = source

    def prepare(self, progress: Progress) -> None:
        """Render or read the landscapes."""
        self.sets = self.source.load(progress)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """`real` images and their `va`."""
        return self.source.batch(self.sets, context.draws, batch)

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """The squared errors of valence and of arousal."""
        error = self.net(batch["real"]) - batch["va"]
        return {
            "valence": Term(error[:, 0].square().mean()),
            "arousal": Term(error[:, 1].square().mean()),
        }

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Mean absolute errors and concordance on held-out landscapes."""
        rows = range(len(self.sets.validation))
        predicted = in_batches(nets[PART], device, self.sets.validation.tensor(rows))
        metrics = va_agreement(self.sets.validation.va_of(rows), predicted)
        return {"mae": (metrics["mae_valence"] + metrics["mae_arousal"]) / 2, **metrics}

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The network, and the scale of the ratings."""
        facts = {"task": "va_evaluator", "scale": self.source.scale}
        return Checkpoint("native", {PART: nets[PART].state_dict()}, facts=facts)
