"""Train a detector of facial landmarks."""

import itertools

import numpy as np
import torch

from engine.core.progress import Progress
from engine.data.jitter import ColorJitter, flipped, flipped_points, recoloured, shifted
from engine.data.portraits import PortraitData, PortraitSet, rendered
from engine.geometry.landmarks import mean_error
from engine.images.sheet import contact_sheet
from engine.losses.landmark import landmark_l1
from engine.nets.nano.landmarks import NanoLandmarks, from_pixels, to_pixels
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.trainings.predictions import predict, random_shifts
from engine.weights.checkpoint import Checkpoint

SHOWN, COLUMNS = 12, 6
DOT = (64, 255, 96)


class LandmarksTask(Task):
    """Regression of 68 points by their error in eye distances."""

    def __init__(
        self,
        net: NanoLandmarks,
        data: PortraitData,
        *,
        jitter: ColorJitter | None,
        shift: int,
    ) -> None:
        self.net = net.to(memory_format=torch.channels_last)
        self.parts, self.frozen = {"landmarks": net}, {}
        self.optimizer_steps = {"main": ("landmarks",)}
        self.best = Best(metric="error", goal="min")
        self.data, self.jitter, self.shift = data, jitter, shift

    def prepare(self, progress: Progress) -> None:
        """Render both sets, or read them from the cache; the network starts from the mean face."""
        self.train = rendered(self.data.train, progress)
        self.validation = rendered(self.data.validation, progress)
        mean = torch.from_numpy(self.train.landmarks.mean(axis=0))
        self.net.start_from(from_pixels(mean, self.train.plan.size))

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Pictures, and their points in [-1, 1]."""
        draws, size = context.draws, self.train.plan.size
        rows = draws.shuffled(len(self.train), batch=batch)
        mirrored, shifts = draws.uniform("mirrored") < 0.5, random_shifts(draws, self.shift)
        pictures = flipped(self.train.tensor(rows), mirrored)
        if self.jitter is not None:
            pictures = recoloured(pictures, self.jitter, draws)
        points = flipped_points(
            torch.from_numpy(self.train.landmarks[rows.numpy()]), mirrored, size
        )
        return {
            "pictures": shifted(pictures, shifts),
            "points": from_pixels(points + shifts[:, None], size),
        }

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """The error in eye distances."""
        return {"l1": Term(landmark_l1(self.net(batch["pictures"]), batch["points"]))}

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Mean distance of the points in eye distances, and its 95th percentile over faces."""
        predicted = _pixels(nets, self.validation, device)
        pairs = zip(predicted, self.validation.landmarks, strict=True)
        errors = np.array([mean_error(points, truth) for points, truth in pairs])
        return {"error": float(errors.mean()), "error_95": float(np.quantile(errors, 0.95))}

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray:
        """Held-out faces with their predicted points."""
        predicted = _pixels(nets, self.validation, device)
        step = max(len(self.validation) // SHOWN, 1)
        rows = range(0, min(step * SHOWN, len(self.validation)), step)
        pictures = [_with_dots(self.validation.pictures[row], predicted[row]) for row in rows]
        ages = [f"{self.validation.ages[row]:.0f} years" for row in rows]
        return contact_sheet(pictures, ages, columns=COLUMNS, cell=256)

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The network alone."""
        state = nets["landmarks"].state_dict()
        return Checkpoint("native", {"landmarks": state}, facts={"task": "landmarks"})


def _pixels(nets: Nets, portraits: PortraitSet, device: torch.device) -> np.ndarray:
    """Predicted points (n, 68, 2) of a set in pixels."""
    predicted = predict(nets["landmarks"], portraits, device)
    return to_pixels(predicted, portraits.plan.size).numpy()


def _with_dots(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The picture at twice its size with a dot of 2 px at every point."""
    large = picture.repeat(2, axis=0).repeat(2, axis=1)
    columns, rows = np.clip(np.rint(2 * points), 0, len(large) - 2).astype(int).T
    for down, right in itertools.product(range(2), range(2)):
        large[rows + down, columns + right] = DOT
    return large
