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
    "GROUP_RANK": "1",
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
    "SLURM_NODEID": "2",
    "SLURM_LOCALID": "1",
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


NUMBERS = {
    *("WORLD_SIZE", "RANK", "LOCAL_RANK", "GROUP_RANK"),
    *("SLURM_NNODES", "SLURM_PROCID", "SLURM_NODEID", "SLURM_LOCALID"),
}


@pytest.mark.parametrize("environ", [TORCHRUN, SLURM])
@pytest.mark.parametrize("text", [None, "", "x", "-1", "1e9", "٣", "9" * 5000])
def test_what_is_no_number_in_the_environment_is_refused(environ, text):
    for name in environ.keys() & NUMBERS:
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


STEPS = 28
SMALL = {
    "steps": STEPS,
    "batch": 32,
    "precision": "'float32'",
    "rate": 1e-3,
    "save_every": 7,
    "keep": 9,
    "data.train.people": 64,
    "data.validation.people": 8,
    "data.validation.scenes": 4,
    "threads": 1,
}
SGD, ADAM = "{kind='sgd'}", "{kind='adamw', weight_decay=0.02}"


def training(folder, **changes):
    values = SMALL | changes
    settings = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
    return ["-m", "tm", "train", "--recipe", "nano/identity", "--out", os.fspath(folder), *settings]


def python(*words, **variables):
    return subprocess.Popen(
        [sys.executable, *words],
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env=os.environ | variables,
    )


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def agents(line):
    meeting = ["--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1"]
    run = ["-m", "torch.distributed.run", *meeting, "--master-port", free_port()]
    return [python(*run, "--node-rank", str(number), *line) for number in range(2)]


def tasks_of_slurm(line):
    """What `srun --nodes 1 --ntasks-per-node 2` starts, with the variables that it sets."""
    job = {
        "SLURM_JOB_ID": free_port(),  # its last four digits and 15,000 are the port
        "SLURM_JOB_NAME": "tm",
        "SLURM_JOB_NODELIST": "localhost",
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_LAUNCH_NODE_IPADDR": "127.0.0.1",
        "SLURM_NNODES": "1",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_NODEID": "0",
        "SLURM_STEP_ID": "0",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_TASKS_PER_NODE": "2",
    }
    ranks = [{"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)} for rank in range(2)]
    return [python(*line, **job, **rank) for rank in ranks]


def machines(line):
    """`--nodes 2` on two machines, which are both this one."""
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    words = [*line, "--nodes", "2", "--devices", "1"]
    return [python(*words, **meeting, NODE_RANK=str(number)) for number in range(2)]


def weights(folder, step=STEPS):
    snapshot = read_snapshot(folder / "checkpoints" / f"step_{step}")
    kept = {name: t for name, t in snapshot.nets["identity"].items() if t.is_floating_point()}
    return torch.cat([t.reshape(-1) for t in kept.values()])


def apart(one, other):
    return float((weights(one) - weights(other)).norm())


def finished(*runs):
    for run in runs:
        _, errors = run.communicate(timeout=900)
        assert run.returncode == 0, errors


@pytest.mark.slow
def test_machines_and_tasks_of_slurm_train_the_weights_of_two_devices(tmp_path):
    few = {"steps": 7, "optimizer": ADAM}
    finished(python(*training(tmp_path / "devices", **few), "--devices", "2"))
    for start in (tasks_of_slurm, machines):
        folder = tmp_path / start.__name__
        finished(*start(training(folder, **few)))
        assert torch.equal(weights(folder, 7), weights(tmp_path / "devices", 7)), start


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [SGD, ADAM])
def test_two_agents_of_which_one_is_killed_go_on_as_one_process(tmp_path, optimizer):
    """The kill costs nothing beyond rounding: up to it the bits are those of two agents that
    nobody killed, and after it the run is no farther from them than one process is that trained
    the same batches alone. Twice that is allowed, since a distance is drawn, too.
    """
    one, two, killed = tmp_path / "one", tmp_path / "two", tmp_path / "killed"
    finished(python(*training(one, optimizer=optimizer)))
    finished(*agents(training(two, optimizer=optimizer)))
    first, second = agents(training(killed, optimizer=optimizer))
    while not Checkpoints(killed / "checkpoints").steps():
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    os.kill(second.pid, signal.SIGKILL)
    _, errors = first.communicate(timeout=300)
    second.communicate()
    assert first.returncode != 0
    assert "another of the 2 processes of this training ended" in errors
    assert "tm resume" in errors
    done = int(Checkpoints(killed / "checkpoints").steps()[-1].name.removeprefix("step_"))
    assert done < STEPS
    assert torch.equal(weights(killed, done), weights(two, done))
    finished(python("-m", "tm", "resume", os.fspath(killed), "--devices", "1"))
    spread, moved = apart(one, two), float((weights(one) - weights(one, 7)).norm())
    to_two, to_one = apart(killed, two), apart(killed, one)
    assert 0 < spread < moved
    assert max(to_two, to_one) < 2 * spread
