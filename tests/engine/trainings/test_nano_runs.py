"""A real nano training, killed at random times through the command line."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from engine.training.checkpoint import read_snapshot

ROOT = Path(__file__).parents[3]
STEPS = 40
SMALL = {
    "steps": STEPS,
    "batch": 32,
    "save_every": 7,
    "validate_every": 20,
    "log_every": 5,
    "data.train.people": 64,
    "data.validation.people": 8,
    "data.validation.scenes": 4,
    "threads": 1,
}


def tm(*words):
    environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT)}
    command = [sys.executable, "-m", "tm", *words, "-q"]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def finished(*words):
    run = tm(*words)
    _, errors = run.communicate(timeout=600)
    assert run.returncode == 0, errors


def training(folder, devices):
    settings = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
    more = ["--devices", str(devices)] if devices > 1 else []
    return ["train", "--recipe", "nano/identity", "--out", os.fspath(folder), *more, *settings]


def weights(folder):
    snapshot = read_snapshot(folder / "checkpoints" / f"step_{STEPS}")
    return torch.cat([t.reshape(-1).float() for t in snapshot.nets["identity"].values()])


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_a_nano_run_killed_at_three_random_times_ends_in_the_same_bits(tmp_path, devices):
    started = time.monotonic()
    finished(*training(tmp_path / "straight", devices))
    whole = time.monotonic() - started
    killed, times = tmp_path / "killed", random.Random(devices)
    words = training(killed, devices)
    for _ in range(3):
        run = tm(*words)
        time.sleep(whole * times.uniform(0.3, 0.8))
        run.kill()
        run.communicate()
        words = ["resume", os.fspath(killed)]
        if not (killed / "environment.json").exists():
            words = training(killed, devices)
    finished(*words)
    assert torch.equal(weights(killed), weights(tmp_path / "straight"))
