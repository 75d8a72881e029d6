"""Learn the colours of grey portraits, and of landscapes where a recipe has some."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.core.progress import Progress
from engine.data.degradation import Degradation, degraded
from engine.data.jitter import flipped
from engine.data.landscapes import rendered as rendered_landscapes
from engine.data.mixed_worlds import CleanPictures, LandscapeShare
from engine.data.portraits import PortraitPlan, rendered
from engine.images.lab import to_lab
from engine.images.ranges import to_pixels
from engine.images.sheet import contact_sheet
from engine.nets.nano.enhancers import MOST_CHROMA, NanoColour, coloured
from engine.runtime.draws import Draws
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.weights.checkpoint import Checkpoint

SHOWN, TOGETHER = 6, 40
CHECKED = 12
"""Seed of what chance does to the pictures of a validation: the same at every one."""


class ColorizationTask(Task):
    """L of spoilt pictures in, a and b of the clean ones out."""

    def __init__(
        self,
        net: NanoColour,
        learn: PortraitPlan,
        check: PortraitPlan,
        how: Degradation,
        *,
        size: int,
        scapes: LandscapeShare | None = None,
    ) -> None:
        self.net = net.to(memory_format=torch.channels_last)
        self.parts, self.frozen = {"colour": net}, {}
        self.optimizer_steps = {"main": ("colour",)}
        self.best = Best(metric="ab_error", goal="min")
        self.plans, self.scapes, self.how, self.size = (learn, check), scapes, how, size

    def prepare(self, progress: Progress) -> None:
        """Render all sets, or find them rendered."""
        learn, check = self.plans
        self.learn = CleanPictures.rendered(learn, self.scapes, progress)
        self.check = rendered(check, progress)
        clean = self.check.tensor(range(len(self.check)))
        draws = Draws(CHECKED, 0, range(len(clean)))
        self.truth = smaller(clean, self.size)
        self.spoilt = degraded(clean, self.how, self.size, draws)
        if self.scapes is not None:
            scenes = rendered_landscapes(self.scapes.check, progress)
            clean = scenes.tensor(range(len(scenes)))
            self.scenes = smaller(clean, self.size)
            draws = Draws(CHECKED, 0, range(len(scenes)))
            self.spoilt_scenes = degraded(clean, self.how, self.size, draws)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Spoilt pictures, and the clean ones at the same size."""
        draws = context.draws
        clean = self.learn.drawn(draws, batch=batch)
        clean = flipped(clean, draws.uniform("mirrored") < 0.5)
        return {
            "spoilt": degraded(clean, self.how, self.size, draws),
            "clean": smaller(clean, self.size),
        }

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """Huber's error of the colours: in between a brave guess and grey."""
        told, truth = self.net(batch["spoilt"]), to_lab(batch["clean"])[:, 1:]
        return {"ab": Term(F.smooth_l1_loss(told / MOST_CHROMA, truth / MOST_CHROMA, beta=0.05))}

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Mean distance of the colours in CIELAB, that of grey, and the share of chroma."""
        told, truth = self._told(nets, self.spoilt, device), to_lab(self.truth)[:, 1:]
        figures = {
            "ab_error": float((told - truth).norm(dim=1).mean()),
            "ab_error_gray": float(truth.norm(dim=1).mean()),
            "chroma": float(told.norm(dim=1).mean() / truth.norm(dim=1).mean()),
        }
        if self.scapes is not None:
            told, truth = self._told(nets, self.spoilt_scenes, device), to_lab(self.scenes)[:, 1:]
            figures["ab_error_landscapes"] = float((told - truth).norm(dim=1).mean())
            figures["ab_error_gray_landscapes"] = float(truth.norm(dim=1).mean())
        return figures

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray:
        """Grey, coloured and true."""
        told = self._told(nets, self.spoilt, device)
        rows = np.linspace(0, len(self.check) - 1, SHOWN).astype(int).tolist()
        gray = coloured(self.spoilt, torch.zeros_like(told))
        made = coloured(self.spoilt, told)
        pictures = [to_pixels(kind[row]) for kind in (gray, made, self.truth) for row in rows]
        names = [name for name in ("grey", "coloured", "truth") for _ in rows]
        return contact_sheet(pictures, names, columns=len(rows), cell=self.size)

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The network alone."""
        facts = {"task": "colorization", "size": self.size, "domain": "portraits"}
        net = nets["colour"]
        assert isinstance(net, NanoColour)
        return Checkpoint("native", {"colour": net.net.state_dict()}, facts=facts)

    def _told(self, nets: Nets, spoilt: Tensor, device: torch.device) -> Tensor:
        told = [nets["colour"](some.to(device)).cpu() for some in spoilt.split(TOGETHER)]
        return torch.cat(told)


def smaller(pictures: Tensor, size: int) -> Tensor:
    """Pictures (b, 3, h, w) at `size` px, antialiased."""
    return F.interpolate(pictures, (size, size), mode="bilinear", antialias=True)
