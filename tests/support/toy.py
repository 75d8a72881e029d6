"""A training small enough to be killed, resumed and shared by processes in a test.

As a script: `toy.py RUN [--devices N] [--batch B] [--steps N] [--nap SECONDS] [--optimizer NAME]`.
"""

import argparse
import time
from pathlib import Path

import torch
from torch import nn

from engine.training.callbacks import SilentCallback
from engine.training.loop import train
from engine.training.optimizers.choices import AdamChoice, SgdChoice
from engine.training.phases import Phase
from engine.training.plan import Averaging, TrainingPlan
from engine.training.processes import Processes
from engine.training.run_folder import held
from engine.training.task import Best, Task, Term
from engine.weights.checkpoint import Checkpoint


class Parabola(Task):
    """Learn a curve from noisy points; a discriminator learns the sign of the error."""

    def __init__(self, nap=0.0, broken_from=None):
        torch.manual_seed(0)
        self.parts = {
            "net": nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 1)),
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
            told = self.parts["discriminator"](batch["x"])
            return {"sign": Term(nn.functional.binary_cross_entropy_with_logits(told, sign))}
        l2 = (guess - batch["y"]).square().mean()
        if self.broken_from is not None and context.step >= self.broken_from:
            l2 = l2 * torch.nan
        return {"l2": Term(l2, 2.0), "told": Term(guess.mean(), 0.0)}

    def validate(self, nets, device):
        x = torch.linspace(-1, 1, 21, device=device)[:, None]
        return {"error": float((nets["net"](x) - x.square()).abs().mean())}

    def checkpoint(self, nets):
        parts = {name: net.state_dict() for name, net in nets.items()}
        return Checkpoint("native", parts, facts={"what": "parabola"})


class Smooth(Parabola):
    """The same without dropout: nothing in it depends on which process draws."""

    def __init__(self, nap=0.0):
        super().__init__(nap)
        self.parts["net"] = nn.Sequential(
            *(m for m in self.parts["net"] if not isinstance(m, nn.Dropout))
        )


class Normed(Smooth):
    """The same with a batch norm, whose statistics move unless the task holds them."""

    def __init__(self, nap=0.0):
        super().__init__(nap)
        first, *rest = self.parts["net"]
        self.parts["net"] = nn.Sequential(first, nn.BatchNorm1d(16), *rest)


def plan(steps=60, *, batch=8, optimizer=None, **other):
    optimizer = AdamChoice() if optimizer is None else optimizer
    first = steps // 3
    phases = (
        Phase(name="discriminator", steps=first, rate=5e-2, optimizer=optimizer, clip=1.0),
        Phase(
            name="both",
            steps=steps - first,
            trainable=("net.0", "discriminator"),
            rate={"kind": "cosine", "start": 5e-2, "end": 1e-3, "steps": steps - first},
            rates={"discriminator": 1e-3},
            optimizer="ranger" if isinstance(optimizer, AdamChoice) else optimizer,
        ),
    )
    told = {
        "save_every": 7,
        "validate_every": 10,
        "sample_every": None,
        "log_every": 5,
        "average": Averaging(decay=0.9),
    }
    return TrainingPlan("toy", 3, batch, phases, **(told | other))


def begin(folder, task, how, *, devices=1, until=None):
    processes = Processes("cpu", devices)
    processes.launch(1)
    with held(folder, by_first=processes.first) as run:
        outcome = train(task, how, run, processes, SilentCallback(), until=until)
    processes.close()
    return outcome


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--nap", type=float, default=0.0)
    parser.add_argument("--smooth", action="store_true")
    told = parser.parse_args()
    task = Smooth(told.nap) if told.smooth else Parabola(told.nap)
    how = plan(told.steps, batch=told.batch, optimizer=SgdChoice() if told.smooth else None)
    outcome = begin(told.run, task, how, devices=told.devices)
    raise SystemExit(130 if outcome.ended == "stopped" else 0)


if __name__ == "__main__":
    main()
