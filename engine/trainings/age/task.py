"""Train an estimator of apparent age that does not depend on colours."""

from collections.abc import Callable
from functools import partial
from math import pi

import torch
from torch import Tensor, nn

from engine.core.progress import Progress
from engine.data.jitter import (
    ColorJitter,
    Quality,
    flipped,
    recoloured,
    requalified,
    shifted,
    turned,
)
from engine.data.portraits import PortraitData, rendered
from engine.metrics.age import bias, correlation, mae
from engine.nets.nano.trunk import resized
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.trainings.age.loss import AgeLoss
from engine.trainings.predictions import AgedPictures, predict, random_shifts
from engine.weights.checkpoint import Checkpoint

COLOR_CHANGES = {"third": (2 * pi / 3, 1.0), "half": (pi, 1.0), "grey": (0.0, 0.0)}
"""Hue in radians and saturation of the changes that should leave the estimate as it is."""

Load = Callable[[Progress], tuple[AgedPictures, AgedPictures]]
"""Reads the pictures to learn from and those held out."""


class AgeTask(Task):
    """Ages by the loss of the network's head, on pictures with jittered colours.

    data: drawn people, or what reads photographs.
    """

    train: AgedPictures
    validation: AgedPictures

    def __init__(
        self,
        net: nn.Module,
        data: PortraitData | Load,
        loss: AgeLoss,
        *,
        size: int,
        jitter: ColorJitter | None,
        shift: int,
        quality: Quality | None = None,
    ) -> None:
        self.net = net.to(memory_format=torch.channels_last)
        self.parts, self.frozen = {"age": net}, {}
        self.optimizer_steps = {"main": ("age",)}
        self.best = Best(metric="mae", goal="min")
        self.data, self.loss = data, loss
        self.size, self.jitter, self.shift, self.quality = size, jitter, shift, quality

    def prepare(self, progress: Progress) -> None:
        """Render or read both sets."""
        data = self.data
        if isinstance(data, PortraitData):
            self.train = rendered(data.train, progress)
            self.validation = rendered(data.validation, progress)
        else:
            self.train, self.validation = data(progress)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Pictures and their ages."""
        draws = context.draws
        rows = draws.shuffled(len(self.train), batch=batch)
        pictures = resized(self.train.tensor(rows), self.size)
        pictures = flipped(pictures, draws.uniform("mirrored") < 0.5)
        if self.jitter is not None:
            pictures = recoloured(pictures, self.jitter, draws)
        if self.quality is not None:
            pictures = requalified(pictures, self.quality, draws)
        pictures = shifted(pictures, random_shifts(draws, self.shift))
        return {"pictures": pictures, "ages": torch.from_numpy(self.train.ages[rows.numpy()])}

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """The loss of the head."""
        return self.loss.terms(self.net(batch["pictures"]), batch["ages"])

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Errors in years, and by how many years other hues and grey change the estimate."""
        estimates = self._estimates(nets["age"], device)
        moved = {
            f"moved_{name}": mae(estimates, self._estimates(nets["age"], device, *change))
            for name, change in COLOR_CHANGES.items()
        }
        ages = self.validation.ages
        return {
            "mae": mae(ages, estimates),
            "bias": bias(ages, estimates),
            "correlation": correlation(ages, estimates),
            **moved,
        }

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The network alone."""
        return Checkpoint("native", {"age": nets["age"].state_dict()}, facts={"task": "age"})

    def _estimates(
        self, net: nn.Module, device: torch.device, hue: float = 0.0, saturation: float = 1.0
    ) -> Tensor:
        """Estimated ages (n,) of the validation set with its colours changed."""
        change = None
        if (hue, saturation) != (0.0, 1.0):
            change = partial(_recoloured, hue=hue, saturation=saturation)
        return self.loss.years(predict(net, self.validation, device, change=change))


def _recoloured(pictures: Tensor, *, hue: float, saturation: float) -> Tensor:
    one = pictures.new_ones(len(pictures))
    return turned(pictures, hue * one, saturation * one, one)
