"""Processes that torchrun or SLURM start, and machines that have to meet."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch

from engine.core.errors import UsageError
from engine.training.checkpoint import Checkpoints, read_snapshot
from engine.training.launcher import MEETING, Launcher, launcher, require_meeting, shape
from engine.training.processes import LostProcessError, Processes

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "LOCAL_RANK": "0",
    "LOCAL_WORLD_SIZE": "4",
    "GROUP_WORLD_SIZE": "2",
    "WORLD_SIZE": "8",
    "RANK": "4",
}
SLURM = {
    "SLURM_JOB_NAME": "ageing",
    "SLURM_NTASKS": "6",
    "SLURM_NNODES": "3",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_PROCID": "5",
}


@pytest.mark.parametrize(
    ("environ", "started"),
    [
        ({}, None),
        ({"LOCAL_RANK": "1"}, None),
        (TORCHRUN, Launcher("torchrun", 2, 4, 4)),
        (SLURM, Launcher("SLURM", 3, 2, 5)),
        (SLURM | TORCHRUN, Launcher("torchrun", 2, 4, 4)),
        (SLURM | {"SLURM_JOB_NAME": "bash"}, None),
        (SLURM | {"SLURM_NTASKS": "1"}, None),
    ],
)
def test_who_started_the_processes_stands_in_the_environment(environ, started):
    assert launcher(environ) == started


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        (TORCHRUN | {"WORLD_SIZE": "7"}, "2 machines run 7 processes, and this one 4 of them"),
        (SLURM | {"SLURM_NTASKS_PER_NODE": ""}, "6 tasks on 3 machines, and not as many on each"),
        (SLURM | {"SLURM_NTASKS": "7"}, "7 tasks on 3 machines, and not as many on each"),
    ],
)
def test_machines_with_different_numbers_of_processes_are_refused(environ, fault):
    with pytest.raises(UsageError, match=fault):
        launcher(environ)


@pytest.mark.parametrize("environ", [TORCHRUN, SLURM])
@pytest.mark.parametrize("text", [None, "", "x", "-1", "1e9", "٣", "9" * 5000])
def test_what_is_no_number_in_the_environment_is_refused(environ, text):
    for name in environ.keys() & {"WORLD_SIZE", "RANK", "SLURM_NNODES", "SLURM_PROCID"}:
        broken = {key: value for key, value in environ.items() if key != name}
        with pytest.raises(UsageError, match=f"{name} is"):
            launcher(broken if text is None else broken | {name: text})


def test_torchrun_says_how_many_processes_there_are(monkeypatch):
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    assert shape(None, None) == shape(4, 2) == (4, 2)
    with pytest.raises(UsageError, match=r"`--devices 2` is asked, and torchrun started 4"):
        shape(2, None)


@pytest.mark.parametrize(
    ("number", "fault"),
    [(None, "NODE_RANK is not set"), ("2", "NODE_RANK is `2`"), ("first", "NODE_RANK is `first`")],
)
def test_machines_that_cannot_meet_are_refused(number, fault):
    environ = dict.fromkeys(MEETING, "1") | ({} if number is None else {"NODE_RANK": number})
    environ = {name: value for name, value in environ.items() if number or name != "NODE_RANK"}
    with pytest.raises(UsageError, match=fault):
        require_meeting(2, environ)
    require_meeting(2, environ | {"NODE_RANK": "1"})


@pytest.mark.parametrize(
    ("count", "error", "lost"),
    [
        (2, RuntimeError("[..gloo/transport/tcp/pair.cc] Connection closed by peer"), True),
        (2, torch.distributed.DistNetworkError("timed out"), True),
        (2, RuntimeError("shapes do not match"), False),
        (1, torch.distributed.DistNetworkError("timed out"), False),
    ],
)
def test_a_lost_process_is_told_from_a_fault_of_the_computation(count, error, lost):
    processes = Processes("cpu")
    processes.__class__ = type("Several", (Processes,), {"count": count})
    with (
        pytest.raises(LostProcessError if lost else type(error)) as caught,
        processes.watched("go on"),
    ):
        raise error
    assert getattr(caught.value, "hint", None) == ("go on" if lost else None)


STEPS = 40
SMALL = {
    "steps": STEPS,
    "batch": 32,
    "precision": "'float32'",
    # Adam turns the last bits of a gradient near 0 into whole steps, and a high rate is chaotic.
    "optimizer": "{kind='sgd'}",
    "rate": 1e-3,
    "save_every": 7,
    "keep": 9,
    "data.train.people": 64,
    "data.validation.people": 8,
    "data.validation.scenes": 4,
    "threads": 1,
}


def training(folder):
    settings = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
    return ["-m", "tm", "train", "--recipe", "nano/identity", "--out", os.fspath(folder), *settings]


def python(*words):
    command = [sys.executable, *words]
    return subprocess.Popen(
        command, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )


def agents(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = ["--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1"]
    return [
        python(
            *("-m", "torch.distributed.run", *meeting, "--master-port", str(port)),
            *("--node-rank", str(number), *training(folder)),
        )
        for number in range(2)
    ]


def weights(folder, step=STEPS):
    snapshot = read_snapshot(folder / "checkpoints" / f"step_{step}")
    kept = {name: t for name, t in snapshot.nets["identity"].items() if t.is_floating_point()}
    return torch.cat([t.reshape(-1) for t in kept.values()])


def assert_alike(one, other):
    # The gradient of the fresh network is ill-conditioned: float32 is off by half a percent.
    apart, moved = weights(one) - weights(other), weights(other) - weights(other, 7)
    assert apart.norm() < 0.02 * moved.norm(), float(apart.norm() / moved.norm())


def finished(run):
    _, errors = run.communicate(timeout=900)
    assert run.returncode == 0, errors


@pytest.mark.slow
def test_two_agents_of_which_one_is_killed_go_on_as_one_process(tmp_path):
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    finished(python(*training(straight)))
    first, second = agents(killed)
    while not Checkpoints(killed / "checkpoints").steps():
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    os.kill(second.pid, signal.SIGKILL)
    _, errors = first.communicate(timeout=300)
    second.communicate()
    assert first.returncode != 0
    assert "another of the 2 processes of this training ended" in errors
    assert "tm resume" in errors
    done = Checkpoints(killed / "checkpoints").steps()[-1].name
    assert done != f"step_{STEPS}"
    finished(python("-m", "tm", "resume", os.fspath(killed), "--devices", "1"))
    assert_alike(killed, straight)
    whole = tmp_path / "whole"
    for run in agents(whole):
        finished(run)
    assert_alike(whole, straight)
