"""Learn how old somebody looks, from anything but the colours."""

from functools import partial
from math import pi

import torch
from torch import Tensor, nn

from engine.core.progress import Progress
from engine.data.jitter import ColorJitter, flipped, recoloured, shifted, turned
from engine.data.portraits import PortraitPlan, rendered
from engine.metrics.age import bias, correlation, mae
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.trainings.age.objectives import AgeAim
from engine.trainings.predictions import answers, seen, shifts
from engine.weights.checkpoint import Checkpoint

TURNS = {"third": (2 * pi / 3, 1.0), "half": (pi, 1.0), "grey": (0.0, 0.0)}
"""Hue in radians and saturation of the changes that must not move an age."""


class AgeTask(Task):
    """Ages by the loss of the network's head, on pictures with jittered colours."""

    def __init__(
        self,
        net: nn.Module,
        learn: PortraitPlan,
        check: PortraitPlan,
        aim: AgeAim,
        *,
        size: int,
        jitter: ColorJitter | None,
        shift: int,
    ) -> None:
        self.net = net.to(memory_format=torch.channels_last)
        self.parts, self.frozen = {"age": net}, {}
        self.optimizer_steps = {"main": ("age",)}
        self.best = Best(metric="mae", goal="min")
        self.plans = learn, check
        self.aim, self.size, self.jitter, self.shift = aim, size, jitter, shift

    def prepare(self, progress: Progress) -> None:
        """Render both sets, or find them rendered."""
        self.learn, self.check = (rendered(plan, progress) for plan in self.plans)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Pictures and their ages."""
        draws = context.draws
        rows = draws.shuffled(len(self.learn), batch=batch)
        pictures = seen(self.learn, rows, self.size)
        pictures = flipped(pictures, draws.uniform("mirrored") < 0.5)
        if self.jitter is not None:
            pictures = recoloured(pictures, self.jitter, draws)
        pictures = shifted(pictures, shifts(draws, self.shift))
        return {"pictures": pictures, "ages": torch.from_numpy(self.learn.ages[rows.numpy()])}

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """What the aim asks for."""
        return dict(self.aim.terms(self.net(batch["pictures"]), batch["ages"]))

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Errors in years, and how far turned hues and grey pictures move the answer."""
        told = self._ages(nets["age"], device)
        moved = {
            f"moved_{name}": mae(told, self._ages(nets["age"], device, hue, saturation))
            for name, (hue, saturation) in TURNS.items()
        }
        ages = self.check.ages
        return {
            "mae": mae(ages, told),
            "bias": bias(ages, told),
            "correlation": correlation(ages, told),
            **moved,
        }

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The network alone."""
        return Checkpoint("native", {"age": nets["age"].state_dict()}, facts={"task": "age"})

    def _ages(
        self, net: nn.Module, device: torch.device, hue: float = 0.0, saturation: float = 1.0
    ) -> Tensor:
        """Ages (n,) told of the check set with its colours changed."""
        change = None
        if (hue, saturation) != (0.0, 1.0):
            change = partial(_coloured, hue=hue, saturation=saturation)
        return self.aim.years(answers(net, self.check, device, change=change))


def _coloured(pictures: Tensor, *, hue: float, saturation: float) -> Tensor:
    one = pictures.new_ones(len(pictures))
    return turned(pictures, hue * one, saturation * one, one)
