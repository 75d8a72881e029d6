"""Learn where the landmarks of a face are."""

import itertools

import numpy as np
import torch

from engine.core.progress import Progress
from engine.data.jitter import ColorJitter, flipped, flipped_points, recoloured, shifted
from engine.data.portraits import PortraitPlan, PortraitSet, rendered
from engine.geometry.landmarks import mean_error
from engine.images.sheet import contact_sheet
from engine.losses.landmark import landmark_l1
from engine.nets.nano.landmarks import NanoLandmarks, from_pixels, to_pixels
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.trainings.predictions import answers, shifts
from engine.weights.checkpoint import Checkpoint

SHOWN, COLUMNS = 12, 6
DOT = (64, 255, 96)


class LandmarksTask(Task):
    """Regression of 68 points by their error in eye distances."""

    def __init__(
        self,
        net: NanoLandmarks,
        learn: PortraitPlan,
        check: PortraitPlan,
        *,
        jitter: ColorJitter | None,
        shift: int,
    ) -> None:
        self.net = net.to(memory_format=torch.channels_last)
        self.parts, self.frozen = {"landmarks": net}, {}
        self.optimizer_steps = {"main": ("landmarks",)}
        self.best = Best(metric="error", goal="min")
        self.plans = learn, check
        self.jitter, self.shift = jitter, shift

    def prepare(self, progress: Progress) -> None:
        """Render both sets, or find them rendered; the network starts from the mean face."""
        self.learn, self.check = (rendered(plan, progress) for plan in self.plans)
        mean = torch.from_numpy(self.learn.landmarks.mean(axis=0))
        self.net.start_from(from_pixels(mean, self.learn.plan.size))

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Pictures, and their points in [-1, 1]."""
        draws, size = context.draws, self.learn.plan.size
        rows = draws.shuffled(len(self.learn), batch=batch)
        mirrored, moves = draws.uniform("mirrored") < 0.5, shifts(draws, self.shift)
        pictures = flipped(self.learn.tensor(rows), mirrored)
        if self.jitter is not None:
            pictures = recoloured(pictures, self.jitter, draws)
        points = flipped_points(
            torch.from_numpy(self.learn.landmarks[rows.numpy()]), mirrored, size
        )
        return {
            "pictures": shifted(pictures, moves),
            "points": from_pixels(points + moves[:, None], size),
        }

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """The error in eye distances."""
        return {"l1": Term(landmark_l1(self.net(batch["pictures"]), batch["points"]))}

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Mean distance of the points, and that of the worst twentieth of faces."""
        told = _pixels(nets, self.check, device)
        pairs = zip(told, self.check.landmarks, strict=True)
        errors = np.array([mean_error(points, truth) for points, truth in pairs])
        return {"error": float(errors.mean()), "error_95": float(np.quantile(errors, 0.95))}

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray:
        """Unknown faces with the points that were found."""
        told = _pixels(nets, self.check, device)
        step = max(len(self.check) // SHOWN, 1)
        rows = range(0, min(step * SHOWN, len(self.check)), step)
        pictures = [_dotted(self.check.pictures[row], told[row]) for row in rows]
        ages = [f"{self.check.ages[row]:.0f} years" for row in rows]
        return contact_sheet(pictures, ages, columns=COLUMNS, cell=256)

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The network alone."""
        state = nets["landmarks"].state_dict()
        return Checkpoint("native", {"landmarks": state}, facts={"task": "landmarks"})


def _pixels(nets: Nets, portraits: PortraitSet, device: torch.device) -> np.ndarray:
    """Points (n, 68, 2) in pixels that the network finds in a set."""
    told = answers(nets["landmarks"], portraits, device)
    return to_pixels(told, portraits.plan.size).numpy()


def _dotted(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The picture at twice its size with a dot of 2 px at every point."""
    large = picture.repeat(2, axis=0).repeat(2, axis=1)
    columns, rows = np.clip(np.rint(2 * points), 0, len(large) - 2).astype(int).T
    for down, right in itertools.product(range(2), range(2)):
        large[rows + down, columns + right] = DOT
    return large
