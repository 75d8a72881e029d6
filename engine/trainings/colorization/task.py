"""Train the colours of grey portraits, and of landscapes where a recipe has some."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.core.progress import Progress
from engine.data.degradation import Degradation, degraded
from engine.data.jitter import flipped
from engine.data.landscapes import rendered as rendered_landscapes
from engine.data.mixed_worlds import CleanPictures, MixedData
from engine.data.portraits import rendered
from engine.images.lab import to_lab
from engine.images.ranges import to_pixels
from engine.images.sheet import contact_sheet
from engine.nets.nano.enhancers import MOST_CHROMA, NanoColour, coloured
from engine.runtime.draws import Draws
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.weights.checkpoint import Checkpoint

SHOWN, BATCH = 6, 40
VALIDATION_SEED = 12
"""Seed of the degradations of the validation: the same at every one."""


class ColorizationTask(Task):
    """L of degraded pictures in, a and b of the clean ones out."""

    def __init__(
        self, net: NanoColour, data: MixedData, degradation: Degradation, *, size: int
    ) -> None:
        self.net = net.to(memory_format=torch.channels_last)
        self.parts, self.frozen = {"colour": net}, {}
        self.optimizer_steps = {"main": ("colour",)}
        self.best = Best(metric="ab_error", goal="min")
        self.data, self.degradation, self.size = data, degradation, size

    def prepare(self, progress: Progress) -> None:
        """Render all sets, or read them from the cache; degrade those of the validation once."""
        landscapes = self.data.landscapes
        self.train = CleanPictures.rendered(self.data, progress)
        self.validation = rendered(self.data.validation, progress)
        clean = self.validation.tensor(range(len(self.validation)))
        self.truth, self.degraded = self._validation_pair(clean)
        if landscapes is not None:
            scenes = rendered_landscapes(landscapes.validation, progress)
            self.scenes = self._validation_pair(scenes.tensor(range(len(scenes))))

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Degraded pictures, and the clean ones at the same size."""
        draws = context.draws
        clean = self.train.batch(draws, batch=batch)
        clean = flipped(clean, draws.uniform("mirrored") < 0.5)
        return {
            "degraded": degraded(clean, self.degradation, self.size, draws),
            "clean": downscaled(clean, self.size),
        }

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """Huber loss of a and b: between L2, which greys, and L1, which saturates."""
        predicted, truth = self.net(batch["degraded"]), to_lab(batch["clean"])[:, 1:]
        loss = F.smooth_l1_loss(predicted / MOST_CHROMA, truth / MOST_CHROMA, beta=0.05)
        return {"ab": Term(loss)}

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Mean distance of the colours in CIELAB, that of grey, and the share of chroma."""
        predicted, truth = self._predicted(nets, self.degraded, device), to_lab(self.truth)[:, 1:]
        metrics = {
            "ab_error": float((predicted - truth).norm(dim=1).mean()),
            "ab_error_gray": float(truth.norm(dim=1).mean()),
            "chroma": float(predicted.norm(dim=1).mean() / truth.norm(dim=1).mean()),
        }
        if self.data.landscapes is not None:
            clean, inputs = self.scenes
            predicted, truth = self._predicted(nets, inputs, device), to_lab(clean)[:, 1:]
            metrics["ab_error_landscapes"] = float((predicted - truth).norm(dim=1).mean())
            metrics["ab_error_gray_landscapes"] = float(truth.norm(dim=1).mean())
        return metrics

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray:
        """Rows of grey, coloured and true pictures."""
        ab = self._predicted(nets, self.degraded, device)
        rows = np.linspace(0, len(self.validation) - 1, SHOWN).astype(int).tolist()
        grey = coloured(self.degraded, torch.zeros_like(ab))
        output = coloured(self.degraded, ab)
        pictures = [to_pixels(group[row]) for group in (grey, output, self.truth) for row in rows]
        names = [name for name in ("grey", "coloured", "truth") for _ in rows]
        return contact_sheet(pictures, names, columns=len(rows), cell=self.size)

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The network alone."""
        facts = {"task": "colorization", "size": self.size, "domain": "portraits"}
        net = nets["colour"]
        assert isinstance(net, NanoColour)
        return Checkpoint("native", {"colour": net.net.state_dict()}, facts=facts)

    def _validation_pair(self, clean: Tensor) -> tuple[Tensor, Tensor]:
        """Clean and degraded pictures at the network's size."""
        draws = Draws(VALIDATION_SEED, 0, range(len(clean)))
        inputs = degraded(clean, self.degradation, self.size, draws)
        return downscaled(clean, self.size), inputs

    def _predicted(self, nets: Nets, inputs: Tensor, device: torch.device) -> Tensor:
        return torch.cat([nets["colour"](some.to(device)).cpu() for some in inputs.split(BATCH)])


def downscaled(pictures: Tensor, size: int) -> Tensor:
    """Pictures (b, 3, h, w) at `size` px, antialiased."""
    return F.interpolate(pictures, (size, size), mode="bilinear", antialias=True)
