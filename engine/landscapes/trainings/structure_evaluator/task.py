"""The training of the structure evaluator, independent of any generator."""

import torch
import torch.nn.functional as F

from engine.core.progress import Progress
from engine.landscapes.inference.batches import in_batches
from engine.landscapes.metrics.evaluation import va_agreement
from engine.landscapes.nets.structure import StructureEvaluator
from engine.landscapes.trainings.data import LandscapeSource
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.weights.checkpoint import Checkpoint

PART = "structure_evaluator"
"""The network's name in checkpoints."""
KIND_WEIGHT = 0.05
"""Of the cross-entropy, beside squared errors of values in 0..1."""


class StructureEvaluatorTask(Task):
    """Regression of valence and arousal and the kind of scene; augmented by flips only."""

    def __init__(self, net: StructureEvaluator, source: LandscapeSource) -> None:
        self.net = net.to(memory_format=torch.channels_last)
        self.parts, self.frozen = {PART: net}, {}
        self.optimizer_steps = {"main": (PART,)}
        self.best = Best(metric="mae", goal="min")
        self.source = source

    def prepare(self, progress: Progress) -> None:
        """Render the landscapes."""
        self.sets = self.source.load(progress)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """`real` images, their `va` and their `kind`."""
        return self.source.batch(self.sets, context.draws, batch, kinds=True)

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """The squared errors of valence and of arousal, and the cross-entropy of the kind."""
        reading = self.net(batch["real"])
        error = reading.va - batch["va"]
        return {
            "valence": Term(error[:, 0].square().mean()),
            "arousal": Term(error[:, 1].square().mean()),
            "kind": Term(F.cross_entropy(reading.kinds, batch["kind"]), KIND_WEIGHT),
        }

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Mean absolute errors and concordance on held-out scenes, and the share of kinds found."""
        held_out = self.sets.validation
        rows, net = range(len(held_out)), nets[PART]
        read = in_batches(lambda x: torch.cat(net(x), dim=1), device, held_out.tensor(rows))
        metrics = va_agreement(held_out.va_of(rows), read[:, :2])
        right = read[:, 2:].argmax(dim=1) == held_out.kinds_of(rows)
        mae = (metrics["mae_valence"] + metrics["mae_arousal"]) / 2
        return {"mae": mae, **metrics, "kinds": float(right.float().mean())}

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The network."""
        facts = {"task": PART, "scale": self.source.scale}
        return Checkpoint("native", {PART: nets[PART].state_dict()}, facts=facts)
