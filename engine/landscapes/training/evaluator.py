"""Learn to read valence and arousal off landscapes, apart from any generator."""

import torch

from engine.core.progress import Progress
from engine.landscapes.inference.sheets import in_parts
from engine.landscapes.metrics.evaluation import agreement
from engine.landscapes.nets.evaluator import VaEvaluator
from engine.landscapes.training.data import LandscapeSource, gathered, landscape_batch
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.weights.checkpoint import Checkpoint


class VaEvaluatorTask(Task):
    """A regressor by mean squared error, on pictures and their mirror images only."""

    def __init__(self, net: VaEvaluator, source: LandscapeSource) -> None:
        self.net = net.to(memory_format=torch.channels_last)
        self.parts, self.frozen = {"judge": net}, {}
        self.optimizer_steps = {"main": ("judge",)}
        self.best = Best(metric="mae", goal="min")
        self.source = source

    def prepare(self, progress: Progress) -> None:
        """Render or read the landscapes."""
        self.data = gathered(self.source, progress)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Pictures and their places."""
        return landscape_batch(self.data, self.source, context.draws, batch)

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """The squared error of both values."""
        off = self.net(batch["real"]) - batch["places"]
        return {
            "valence": Term(off[:, 0].square().mean()),
            "arousal": Term(off[:, 1].square().mean()),
        }

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Errors and concordance on landscapes never learned from: the ceiling of a generator."""
        rows = range(len(self.data.check))
        places = self.data.check.place(rows)
        told = agreement(places, in_parts(nets["judge"], device, self.data.check.tensor(rows)))
        return {"mae": (told["mae_valence"] + told["mae_arousal"]) / 2, **told}

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The network alone."""
        facts = {"task": "landscape_judge", "scale": self.source.scale}
        return Checkpoint("native", {"judge": nets["judge"].state_dict()}, facts=facts)
