"""Kills and signals at random moments: the run that follows ends as one that nothing disturbed."""

import os
import signal
import subprocess
import time

import pytest
from attack_processes import left_over, results, started

FEW, MANY = 1, 6
ENDINGS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
SYNTH = ("prep", "synth", "OUT", "--people", 4, "--ages", "20..60", "--per-person", 6, "--size", 96)
TRAIN = (
    *(
        "train",
        "--recipe",
        "nano/identity",
        "--out",
        "OUT",
        "--set",
        "steps=12",
        "--set",
        "batch=8",
    ),
    *("--set", "data.train.people=24", "--set", "data.train.scenes=4"),
    *("--set", "data.validation.people=6", "--set", "data.validation.scenes=2"),
    *("--set", "save_every=2", "--set", "validate_every=6", "--set", "threads=1"),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["synth", "train"])
def test_moments(attack, tmp_path, name):
    argv = {"synth": SYNTH, "train": TRAIN}[name]
    whole, log, rng = tmp_path / "whole", tmp_path / "log", attack.rng
    begun = time.monotonic()
    assert started(argv, whole, log).wait(timeout=600) == 0, log.read_text()
    length = time.monotonic() - begun
    for number in range(FEW if attack.few else MANY):
        out = tmp_path / f"broken{number}"
        for _ in range(3):
            again = ("resume", "OUT") if (out / "environment.json").exists() else argv
            process = started(again, out, log)
            try:
                process.wait(timeout=rng.uniform(0.2, 1.0) * length)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, rng.choice(ENDINGS))
                process.wait(timeout=60)
        again = ("resume", "OUT") if (out / "environment.json").exists() else argv
        code = started(again, out, log).wait(timeout=600)
        faults = [f"exit {code}"] if code else []
        faults += [f"left {left_over(out)}"] if left_over(out) else []
        faults += ["ends in other files"] if results(out) != results(whole) else []
        faults += ["a traceback"] if "Traceback" in log.read_text(errors="replace") else []
        attack.tried(f"{name} {number}", faults)
