"""All that changes during a run beside the weights, as a checkpoint keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from torch import nn
from torch.optim import Optimizer

from engine.training.averaging import WeightAverage
from engine.training.guards import FiniteGuard, Plateau
from engine.training.phases import load_optimizer
from engine.training.recipe import TrainingRecipe


@dataclass(slots=True)
class State:
    """Step, best metric, guards, averages and optimizers of a run.

    flat: whether all watched curves are on a plateau; plateaus: by curve of the rule; guards and
    optimizers: by optimizer step; averages: by part.
    """

    guards: dict[str, FiniteGuard]
    averages: dict[str, WeightAverage]
    plateaus: list[Plateau]
    step: int = 0
    best: float | None = None
    best_step: int = 0
    seconds: float = 0.0
    flat: bool = False
    optimizers: dict[str, Optimizer] = field(default_factory=dict[str, Optimizer])

    @classmethod
    def fresh(
        cls,
        recipe: TrainingRecipe,
        parts: Mapping[str, nn.Module],
        optimizer_steps: Mapping[str, tuple[str, ...]],
    ) -> "State":
        """The state before the first step; the parts are on their device already."""
        average = recipe.average
        averages: dict[str, WeightAverage] = {}
        if average is not None:
            averages = {
                name: WeightAverage(part, average.decay, warm_up=average.warm_up)
                for name, part in parts.items()
                if average.parts is None or name in average.parts
            }
        curves = () if recipe.plateau is None else recipe.plateau.curves
        plateaus = [Plateau(curve.window) for curve in curves]
        guards = {name: FiniteGuard(recipe.patience) for name in optimizer_steps}
        return cls(guards, averages, plateaus)

    def state_dict(self, phase: int) -> dict[str, Any]:
        """What a checkpoint keeps; `phase` is the index of the phase of the last step."""
        return {
            "phase": phase,
            "best": self.best,
            "best_step": self.best_step,
            "seconds": self.seconds,
            "plateau": [curve.state_dict() for curve in self.plateaus],
            "flat": self.flat,
            "guards": {name: [g.bad, g.skipped] for name, g in self.guards.items()},
            "averages": {name: a.state_dict() for name, a in self.averages.items()},
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
        }

    def load_state_dict(self, step: int, kept: Mapping[str, Any]) -> None:
        """Continue after `step`; the optimizers follow by `load_optimizers`."""
        self.step, self.best, self.seconds = step, kept["best"], kept["seconds"]
        self.flat, self.best_step = kept["flat"], kept["best_step"]
        for name, average in self.averages.items():
            average.load_state_dict(kept["averages"][name])
        before = kept["plateau"]  # older runs kept one curve, or None
        before = before if isinstance(before, list) else [before] if before else []
        for curve, state in zip(self.plateaus, cast("list[Any]", before), strict=False):
            curve.load_state_dict(state)
        for name, (bad, skipped) in kept["guards"].items():
            self.guards[name].bad, self.guards[name].skipped = bad, skipped

    def load_optimizers(self, kept: Mapping[str, Any]) -> None:
        """Load the optimizers of the phase, which must have been built."""
        for name, optimizer in self.optimizers.items():
            load_optimizer(optimizer, kept["optimizers"][name])
