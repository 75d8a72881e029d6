"""The training loop, on a training of a few hundred parameters."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import toy

from engine.core.errors import RecipeError, UsageError
from engine.core.progress import Silence
from engine.training.checkpoint import Checkpoints, read_snapshot
from engine.training.guards import DivergedError
from engine.training.journal import read_journal
from engine.training.phases import Phase
from engine.weights.native import read_native

SCRIPT = Path(toy.__file__)
ROOT = Path(__file__).parents[3]


def flat(folder, step=60):
    snapshot = read_snapshot(folder / "checkpoints" / f"step_{step}")
    nets = [t.reshape(-1).float() for net in snapshot.nets.values() for t in net.values()]
    averages = [
        t.reshape(-1).float() for a in snapshot.state["averages"].values() for t in a.values()
    ]
    return torch.cat([*nets, *averages])


def started(folder, *more):
    environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT)}
    command = [sys.executable, os.fspath(SCRIPT), os.fspath(folder), *more]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def finished(folder, *more):
    run = started(folder, *more)
    _, errors = run.communicate(timeout=300)
    assert run.returncode == 0, errors


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    outcome = toy.begin(folder, toy.Parabola(), toy.recipe())
    assert (outcome.step, outcome.ended) == (60, "finished")
    return folder


def test_a_run_learns_and_logs(straight):
    rows = read_journal(straight / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(5, 61, 5))
    assert [row["phase"] for row in rows] == ["discriminator"] * 4 + ["both"] * 8
    assert rows[-1]["val/error"] < rows[1]["val/error"]
    assert {"loss/l2", "loss/sign", "loss/total_main", "norm/main", "lr/net", "waiting"} <= set(
        rows[0]
    )
    assert {"lr/net.0", "lr/discriminator"} <= set(rows[-1])
    assert list((straight / "tensorboard").iterdir())


def test_rates_count_from_the_first_step_of_their_phase(straight):
    rows = {row["step"]: row for row in read_journal(straight / "metrics.jsonl")}
    assert rows[20]["lr/net"] == 5e-2
    assert 4.5e-2 < rows[25]["lr/net.0"] < 5e-2
    assert rows[60]["lr/net.0"] == pytest.approx(1e-3, rel=0.1)
    assert rows[60]["lr/discriminator"] == 1e-3


def test_what_a_phase_does_not_train_stays_bit_for_bit(straight, tmp_path):
    before = toy.begin(tmp_path, toy.Parabola(), toy.recipe(), until=20)
    assert (before.step, before.ended) == (20, "until")
    one = read_snapshot(tmp_path / "checkpoints" / "step_20").nets["net"]
    other = read_snapshot(straight / "checkpoints" / "step_60").nets["net"]
    assert torch.equal(one["3.weight"], other["3.weight"])
    assert not torch.equal(one["0.bias"], other["0.bias"])


def test_the_best_is_the_averaged_weights_of_the_best_validation(straight):
    rows = [row for row in read_journal(straight / "metrics.jsonl") if "val/error" in row]
    best = min(rows, key=lambda row: row["val/error"])
    folder = straight / "checkpoints" / "best"
    metadata = json.loads((folder / "state.json").read_text())
    chosen = {"step": best["step"], "metrics": {"error": best["val/error"]}, "chosen_by": "error"}
    assert metadata == chosen
    checkpoint = read_native(folder / "nets.safetensors")
    assert (checkpoint.step, checkpoint.facts) == (best["step"], {"what": "parabola"})
    assert checkpoint.ema
    task = toy.Parabola()
    task.parts["net"].load_state_dict(checkpoint.part("net"))
    task.parts["net"].eval().requires_grad_(False)
    error = task.validate(task.parts, torch.device("cpu"))["error"]
    assert error == pytest.approx(best["val/error"], abs=1e-7)


@pytest.mark.parametrize("until", [1, 13, 20, 21, 41])
def test_a_run_in_two_parts_ends_in_the_same_bits(straight, tmp_path, until):
    toy.begin(tmp_path, toy.Parabola(), toy.recipe(), until=until)
    toy.begin(tmp_path, toy.Parabola(), toy.recipe())
    assert torch.equal(flat(tmp_path), flat(straight))
    one, other = (read_journal(f / "metrics.jsonl") for f in (tmp_path, straight))
    assert [row["step"] for row in one] == [row["step"] for row in other]
    assert one[-1]["val/error"] == other[-1]["val/error"]


def test_killed_three_times_a_run_ends_in_the_same_bits(straight, tmp_path):
    for naps in (0.9, 1.3, 1.7):
        run = started(tmp_path, "--nap", "0.02")
        deadline = time.monotonic() + 120
        begun = len(Checkpoints(tmp_path / "checkpoints").steps())
        while not Checkpoints(tmp_path / "checkpoints").steps() or (
            len(Checkpoints(tmp_path / "checkpoints").steps()) == begun == 0
        ):
            assert time.monotonic() < deadline
            assert run.poll() is None, run.stderr.read()
            time.sleep(0.05)
        time.sleep(naps / 3)
        run.kill()
        run.communicate()
    finished(tmp_path)
    assert torch.equal(flat(tmp_path), flat(straight))


def test_a_signal_stops_the_run_after_the_step_and_saves_it(straight, tmp_path):
    run = started(tmp_path, "--nap", "0.02")
    while not (tmp_path / "metrics.jsonl").exists() or not read_journal(tmp_path / "metrics.jsonl"):
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.05)
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=60)
    assert run.returncode == 130
    assert 0 < Checkpoints(tmp_path / "checkpoints").newest(Silence()).step < 60
    finished(tmp_path)
    assert torch.equal(flat(tmp_path), flat(straight))


@pytest.mark.parametrize("kind", ["Smooth", "Weighted"])
def test_two_processes_train_the_same_weights_as_one(kind, tmp_path):
    finished(tmp_path / "one", "--kind", kind, "--steps", "20", "--batch", "8")
    finished(tmp_path / "two", "--kind", kind, "--steps", "20", "--batch", "8", "--devices", "2")
    one, two = flat(tmp_path / "one", 20), flat(tmp_path / "two", 20)
    assert (one - two).abs().max() < 1e-4
    rows = [read_journal(tmp_path / name / "metrics.jsonl") for name in ("one", "two")]
    assert rows[0][-1]["loss/l2"] == pytest.approx(rows[1][-1]["loss/l2"], abs=1e-5)


def test_two_processes_killed_and_resumed_end_in_the_same_bits(tmp_path):
    finished(tmp_path / "straight", "--devices", "2")
    run = started(tmp_path / "killed", "--devices", "2", "--nap", "0.02")
    while not Checkpoints(tmp_path / "killed" / "checkpoints").steps():
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.05)
    run.kill()
    run.communicate()
    finished(tmp_path / "killed", "--devices", "2")
    assert torch.equal(flat(tmp_path / "killed"), flat(tmp_path / "straight"))


def test_non_finite_steps_end_the_run_and_name_their_term(tmp_path):
    with pytest.raises(DivergedError, match="the term `l2` was the first"):
        toy.begin(tmp_path, toy.Parabola(broken_from=10), toy.recipe(patience=4))


def test_a_batch_that_processes_cannot_share_is_refused():
    processes = toy.Processes("cpu")
    assert processes.positions(7) == [range(7)]
    processes.__class__ = type("Three", (toy.Processes,), {"count": 3, "rank": 1})
    assert processes.positions(9) == [range(3, 6)]
    assert processes.positions(3, 2) == [range(2, 3), range(3, 4)]
    with pytest.raises(UsageError, match="a batch of 8 cannot be shared by 3 processes"):
        processes.positions(8)


@pytest.mark.parametrize(
    ("phase", "fault"),
    [
        ({"trainable": ["nett"]}, "there is no part `nett`"),
        ({"trainable": ["net.9"]}, "`net` has no module `9`"),
        (
            {"trainable": ["net"], "rates": {"discriminator": 1e-3}},
            "`discriminator`, which is not trained",
        ),
    ],
)
def test_what_a_phase_names_must_exist(phase, fault):
    with pytest.raises(RecipeError, match=fault):
        Phase(steps=1, **phase).trained(toy.Parabola().parts)


@pytest.mark.parametrize("frozen", [False, True])
def test_batch_norm_statistics_change_unless_the_task_freezes_them(tmp_path, monkeypatch, frozen):
    monkeypatch.setattr(toy.Normed, "freeze_batch_norm", frozen)
    task = toy.Normed()
    norm = task.parts["net"][1]
    weight = norm.weight.clone()
    toy.begin(tmp_path / "run", task, toy.recipe(12))
    assert bool((norm.running_mean == 0).all()) is frozen
    assert not torch.equal(norm.weight, weight), "the affine weights are trained in both cases"
