"""Signals, limits of the system and full disks: an exit that the contract gives, and a rerun that
ends as one that nothing disturbed."""

import errno
import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from attack_batches import BATCHES, drawn
from attack_processes import left_over, results, started

FEW = 1
PEOPLE, PICTURES = 2, 10
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LIMITS = {
    "16 descriptors": (resource.RLIMIT_NOFILE, 16),
    "64 descriptors": (resource.RLIMIT_NOFILE, 64),
    "files of 4 KiB": (resource.RLIMIT_FSIZE, 4096),
    "1.2 GB of addresses": (resource.RLIMIT_AS, 1_200_000_000),
    "2.5 GB of addresses": (resource.RLIMIT_AS, 2_500_000_000),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("source"), PEOPLE, PICTURES, seed=902_600)


@pytest.fixture
def batch(source, tmp_path):
    """The arguments of a batch with its IN, and a log that says what was printed."""

    def argv(name):
        return [str(one).replace("IN", str(source)) for one in BATCHES[name]]

    return argv, tmp_path / "log"


def complaints(log, code, allowed):
    """What is wrong with how a process ended."""
    text = log.read_text(errors="replace")
    faults = [] if code in allowed else [f"exit {code}: {text[-300:]}"]
    faults += ["a traceback"] if "Traceback" in text or "fault of tm" in text else []
    faults += ["no sentence"] if code not in (0, 130) and "error:" not in text else []
    return faults


def group_of(pgid):
    """The processes of a group that have not ended."""
    alive = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = stat.read_text().rpartition(") ")[2].split()[:3]
        except (OSError, ValueError):  # it has ended meanwhile
            continue
        alive += [stat.parent.name] if int(group) == pgid and state != "Z" else []
    return alive


@pytest.mark.slow
@pytest.mark.parametrize("name", BATCHES)
def test_signals(attack, tmp_path, batch, name):
    argv, log = batch
    whole = tmp_path / "whole"
    assert started(argv(name), whole, log).wait(timeout=900) == 0, log.read_text()
    for number in attack.chosen(SIGNALS, FEW):
        out = tmp_path / number.name
        log.write_bytes(b"")
        process = started(argv(name), out, log)
        begun = time.monotonic()
        while process.poll() is None and not (out.is_dir() and list(out.rglob("*.journal"))):
            time.sleep(0.05)
            assert time.monotonic() - begun < 900
        time.sleep(attack.rng.uniform(0, 1.5))
        process.send_signal(number)
        faults = complaints(log, process.wait(timeout=120), {0, 130})
        time.sleep(2)
        faults += [f"left processes {alive}" for alive in [group_of(process.pid)] if alive]
        again = started(argv(name), out, log).wait(timeout=900)
        faults += complaints(log, again, {0})
        faults += [f"left {left_over(out)}"] if left_over(out) else []
        faults += ["ends in other files"] if results(out).keys() != results(whole).keys() else []
        attack.tried(f"{name} {number.name}", faults)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["synth", "align", "infer", "bank"])
def test_limits(attack, tmp_path, batch, name):
    argv, log = batch
    for limit in attack.chosen(LIMITS, FEW):
        kind, most = LIMITS[limit]
        out = tmp_path / limit.replace(" ", "_")
        log.write_bytes(b"")

        def confined(kind=kind, most=most):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(kind, (most, most))

        code = started(argv(name), out, log, confined).wait(timeout=900)
        attack.tried(f"{name} {limit}", complaints(log, code, {0, 1, 2, 3, 5}))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["synth", "align", "relabel", "infer", "bank"])
def test_full_disks(attack, tmp_path, batch, name):
    argv, log = batch
    disk, whole = tmp_path / "disk", tmp_path / "whole"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=60k", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        assert started(argv(name), whole, log).wait(timeout=900) == 0, log.read_text()
        log.write_bytes(b"")
        code = started(argv(name), disk / "o", log).wait(timeout=900)
        faults = complaints(log, code, {0, 1, 3})
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        faults += complaints(log, started(argv(name), disk / "o", log).wait(timeout=900), {0})
        faults += [f"left {left_over(disk)}"] if left_over(disk) else []
        faults += ["other files"] if results(disk / "o").keys() != results(whole).keys() else []
    finally:
        subprocess.run(["umount", disk], check=False)
    attack.tried(f"{name} full disk", faults)


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_failing_writes(attack, tm, tmp_path, monkeypatch, fault):
    """The disk fails after a random number of writes; with a whole one the run goes on."""
    out = tmp_path / "out"
    argv = ("prep", "synth", out, "--people", 1, "--per-person", 3, "--size", 32, "--workers", 1)
    left, sync = attack.rng.randrange(1, 8), os.fsync

    def failing(handle):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(fault, os.strerror(fault))
        return sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", failing)
        result = tm(*argv)
    faults = [] if result.code in (1, 2, 3) else [f"exit {result.code}"]
    faults += ["no sentence"] if "error:" not in result.err and "failed" not in result.err else []
    attack.told(errno.errorcode[fault], result, allowed={1, 2, 3}, also=faults)
    again = tm(*argv)
    faults = [f"left {left_over(out)}"] if left_over(out) else []
    faults += ["a picture is missing"] if len(list(out.rglob("*.png"))) != 3 else []
    attack.told(f"{errno.errorcode[fault]} and room again", again, allowed={0}, also=faults)
    shutil.rmtree(out)
