"""A training small enough to be killed, resumed and shared by processes in a test.

As a script: `toy.py RUN [--devices N] [--batch B] [--steps N] [--nap SECONDS] [--kind KIND]`.
"""

import argparse
import time
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from engine.losses.soft_labels import soft_cross_entropy
from engine.training.callbacks import SilentCallback
from engine.training.loop import train
from engine.training.optimizers.choices import AdamChoice, SgdChoice
from engine.training.phases import Phase
from engine.training.processes import Processes
from engine.training.recipe import Averaging, TrainingRecipe
from engine.training.run_folder import locked_run
from engine.training.task import Best, Task, Term
from engine.weights.checkpoint import Checkpoint


class Parabola(Task):
    """Fit a curve to noisy points; a discriminator learns the sign of the error."""

    def __init__(self, nap=0.0, broken_from=None, width=16):
        torch.manual_seed(0)
        first, last = nn.Linear(1, width), nn.Linear(width, 1)
        self.parts = {
            "net": nn.Sequential(first, nn.Tanh(), nn.Dropout(0.1), last),
            "discriminator": nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1)),
        }
        self.frozen = {}
        self.optimizer_steps = {"discriminator": ("discriminator",), "main": ("net",)}
        self.best = Best(metric="error", goal="min")
        self.nap = nap
        self.broken_from = broken_from

    def batch(self, context, batch):
        x = context.draws.uniform("x", 1, low=-1, high=1)
        return {"x": x, "y": x.square() + 0.01 * context.draws.normal("noise", 1)}

    def terms(self, optimizer_step, batch, context):
        time.sleep(self.nap)
        guess = self.parts["net"](batch["x"])
        if optimizer_step == "discriminator":
            sign = (guess.detach() > batch["y"]).float()
            logits = self.parts["discriminator"](batch["x"])
            return {"sign": Term(nn.functional.binary_cross_entropy_with_logits(logits, sign))}
        l2 = (guess - batch["y"]).square().mean()
        if self.broken_from is not None and context.step >= self.broken_from:
            l2 = l2 * torch.nan
        return {"l2": Term(l2, 2.0), "guess": Term(guess.mean(), 0.0)}

    def validate(self, nets, device):
        x = torch.linspace(-1, 1, 21, device=device)[:, None]
        return {"error": float((nets["net"](x) - x.square()).abs().mean())}

    def checkpoint(self, nets):
        parts = {name: net.state_dict() for name, net in nets.items()}
        return Checkpoint("native", parts, facts={"what": "parabola"})


class Smooth(Parabola):
    """The same without dropout: nothing depends on the number of processes."""

    def __init__(self, nap=0.0):
        super().__init__(nap)
        self.parts["net"] = nn.Sequential(
            *(m for m in self.parts["net"] if not isinstance(m, nn.Dropout))
        )


class Normed(Smooth):
    """The same with a batch norm, whose statistics move unless the task freezes them."""

    def __init__(self, nap=0.0):
        super().__init__(nap)
        first, *rest = self.parts["net"]
        self.parts["net"] = nn.Sequential(first, nn.BatchNorm1d(16), *rest)


class Weighted(Normed):
    """A batch norm, and a loss of some of the samples: both belong to the whole batch."""

    def terms(self, optimizer_step, batch, context):
        terms = super().terms(optimizer_step, batch, context)
        if optimizer_step == "main":
            guess = self.parts["net"](batch["x"])
            logits = torch.cat([guess, -guess], dim=1)
            labels = torch.cat([batch["y"], 1 - batch["y"]], dim=1)
            positive = (batch["x"][:, 0] > 0.3).float()
            terms["class"] = Term(soft_cross_entropy(logits, labels, positive), 1.0)
            if positive.any():
                terms["seldom"] = Term((guess[:, 0] * positive).mean(), 0.0)
        return terms


class ToyRecipe(TrainingRecipe):
    """A recipe for the toy."""

    kind: Literal["toy"] = "toy"
    broken_from: int | None = None
    width: int = 16

    def task(self):
        return Parabola(broken_from=self.broken_from, width=self.width)


KINDS = {kind.__name__: kind for kind in (Parabola, Smooth, Weighted)}


def recipe(steps=60, *, batch=8, optimizer=None, **other):
    """Two phases: everything, then a module of the net and the discriminator."""
    optimizer = AdamChoice() if optimizer is None else optimizer
    first = steps // 3
    phases = (
        Phase(name="discriminator", steps=first, rate=5e-2, optimizer=optimizer, clip=1.0),
        Phase(
            name="both",
            steps=steps - first,
            trainable=("net.0", "discriminator"),
            rate={"kind": "cosine", "start": 5e-2, "end": 1e-3},
            rates={"discriminator": 1e-3},
            optimizer="ranger" if isinstance(optimizer, AdamChoice) else optimizer,
        ),
    )
    settings = {
        "name": "toy",
        "seed": 3,
        "batch": batch,
        "phase": phases,
        "save_every": 7,
        "validate_every": 10,
        "log_every": 5,
        "average": Averaging(decay=0.9),
    }
    return ToyRecipe(**(settings | other))


def begin(folder, task, settings, *, devices=1, until=None):
    processes = Processes("cpu", devices)
    processes.launch(1)
    with locked_run(folder, by_first=processes.first) as run:
        outcome = train(task, settings, run, processes, SilentCallback(), until=until)
    processes.close()
    return outcome


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--nap", type=float, default=0.0)
    parser.add_argument("--kind", choices=KINDS, default="Parabola")
    args = parser.parse_args()
    task = KINDS[args.kind](args.nap)
    optimizer = None if args.kind == "Parabola" else SgdChoice()
    settings = recipe(args.steps, batch=args.batch, optimizer=optimizer)
    outcome = begin(args.run, task, settings, devices=args.devices)
    raise SystemExit(130 if outcome.ended == "stopped" else 0)


if __name__ == "__main__":
    main()
