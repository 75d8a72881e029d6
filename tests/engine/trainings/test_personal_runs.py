"""A personal training, killed in each phase and in the middle of saving, through the CLI."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import person
import pytest
import torch

from engine.training.checkpoint import read_snapshot

ROOT = Path(__file__).parents[3]
SET = ("--set", "save_every=2", "--set", "validate_every=2", "--set", 'best.metric="aged_identity"',
       "--set", 'best.goal="max"')  # fmt: skip
"""Networks of random weights respond to no age, but `aged_identity` moves: best is replaced."""
LAST = 8
# What dies where: saves are at 2, 4 (stage 1), 6 and 8 (stage 2), each followed by that of `best`
# when it improved; a step that is begun is counted from 0.
KILLER = """
import os, signal, sys
from engine.training import checkpoint, loop
from tm.cli import main

where, count = sys.argv.pop(1), int(sys.argv.pop(1))
met = 0

def perhaps():
    global met
    met += 1
    if met == count:
        os.kill(os.getpid(), signal.SIGKILL)

def before(owner, name):
    inner = getattr(owner, name)
    def outer(*args, **more):
        perhaps()
        return inner(*args, **more)
    setattr(owner, name, outer)

def after(owner, name):
    inner = getattr(owner, name)
    def outer(*args, **more):
        result = inner(*args, **more)
        perhaps()
        return result
    setattr(owner, name, outer)

match where:
    case "step":
        before(loop.Trainer, "_optimizer_step")
    case "half written":
        after(checkpoint, "write_safetensors")
    case "before renaming":
        before(checkpoint, "_replace")
    case "after renaming":
        after(checkpoint, "_replace")
    case "between renames":
        inner = checkpoint.Path.rename
        def outer(self, target):
            result = inner(self, target)
            if checkpoint.Path(target).name.endswith(".old"):
                perhaps()
            return result
        checkpoint.Path.rename = outer
    case "best":
        after(checkpoint, "save_native")
main()
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = person.make(tmp_path_factory.mktemp("person"))
    (folder / "killer.py").write_text(KILLER)
    return folder


def tm(*words, start=("-m", "tm")):
    environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT)}
    command = [sys.executable, *start, *map(str, words), "-q"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


def train(world, out, killed=None):
    start = ("-m", "tm") if killed is None else (world / "killer.py", *killed)
    words = ("train", "--recipe", world / "mined.toml", "--out", out, *SET)
    return tm(*words, start=map(str, start))


@pytest.fixture(scope="module")
def straight(world, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "straight"
    result = train(world, out)
    assert result.returncode == 0, result.stderr
    return out


def state(run):
    """Every tensor of the last checkpoint, and the rest of its state."""
    last = read_snapshot(run / "checkpoints" / f"step_{LAST}")
    tensors = {f"{part}/{k}": v for part, net in last.nets.items() for k, v in net.items()}
    for name, average in last.state["averages"].items():
        tensors |= {f"average {name}/{key}": value for key, value in average.items()}
    for optimizer_step, optimizer in last.state["optimizers"].items():
        for index, held in optimizer["state"].items():
            tensors |= {
                f"{optimizer_step} {index} {key}": torch.as_tensor(v) for key, v in held.items()
            }
    return tensors, {key: last.state[key] for key in ("phase", "best", "best_step", "guards")}


@pytest.mark.slow
@pytest.mark.parametrize(
    "killed",
    [
        ("step", 3),
        ("step", 7),
        ("half written", 3),
        ("half written", 6),
        ("before renaming", 1),
        ("before renaming", 5),
        ("after renaming", 2),
        ("between renames", 1),
        ("best", 1),
    ],
    ids=lambda killed: f"{killed[0]} {killed[1]}",
)
def test_killed_anywhere_a_run_ends_in_the_same_bits(world, straight, tmp_path, killed):
    run = tmp_path / "run"
    assert train(world, run, killed=killed).returncode == -signal.SIGKILL
    result = tm("resume", run)
    assert result.returncode == 0, result.stderr
    (tensors, rest), (expected, others) = state(run), state(straight)
    assert tensors.keys() == expected.keys()
    assert [key for key in expected if not torch.equal(tensors[key], expected[key])] == []
    assert rest == others
    best = [r / "checkpoints" / "best" / "nets.safetensors" for r in (run, straight)]
    assert best[0].read_bytes() == best[1].read_bytes()
    lines = [
        [
            line.split(" | ")[0]
            for line in (r / "checkpoints/timestamp.txt").read_text().splitlines()
        ]
        for r in (run, straight)
    ]
    assert lines[0] == lines[1]
