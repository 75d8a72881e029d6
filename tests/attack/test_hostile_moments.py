"""Kills at random moments: the run that follows ends as one that nothing disturbed."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest
from attack_batches import BATCHES, drawn, training
from attack_processes import ROOT, end_group, forked, has_begun, left_over, results

FEW = 2
KILLS = {"train": 34, "batch": 13}
STEP = re.compile(r"checkpoints/step_(\d+)/")
PER_RUN = 5
"""Kills of one run, at most, before it may end."""
SUBJECTS = {f"train {name}": training(name) for name in ("identity", "two_stage", "landscape")}
SUBJECTS |= {f"batch {name}": argv for name, argv in BATCHES.items()}
SUBJECTS["batch filter"] = ("prep", "filter", "OUT", "--workers", 1)  # of a copy of IN
SUBJECTS["batch import"] = (
    *("weights", "import", ROOT / "engine/shipped/nano.safetensors", "--name", "OUT"),
)
ASKED = (0, 130, -signal.SIGTERM, -signal.SIGINT)
"""Exit codes of what got a signal: a process that has hardly begun ends as any other."""
TIMES = ("seconds", "speed", "time", "memory", "images_per_second", "waiting", "made", "at",
         "sidecar_sha256")  # fmt: skip


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """What the arguments call IN and BANK."""
    folder = tmp_path_factory.mktemp("stock")
    source = drawn(folder / "in", people=1, per_person=8, seed=902_600)
    strangers = drawn(folder / "strangers", people=4, per_person=4, seed=450_000)
    argv = ("bank", "build", strangers, "OUT", "--embedder", "nano-identity")
    ended(forked(argv, folder / "b.safetensors", folder / "log"))
    return {"IN": source, "BANK": folder / "b.safetensors"}


def placed(argv, stock):
    """The arguments with IN and BANK as paths."""
    return [str(stock.get(one, one)) for one in argv]


def ended(process, seconds=900):
    """The exit code of a process."""
    process.join(seconds)
    assert process.exitcode is not None, "it never ended"
    return process.exitcode


def broken_off(process, after, number=signal.SIGKILL):
    """Whether the process was still running `after` seconds, when it got a signal."""
    while process.exitcode is None and not has_begun(process.pid):
        process.join(0.005)
    process.join(after)
    if process.exitcode is not None:
        return False
    end_group(process.pid, number)
    ended(process, 60)
    return True


def continued(argv, out):
    """The command that goes on with a run."""
    begun = argv[0] == "train" and (out / "environment.json").exists()
    return ["resume", str(out)] if begun else argv


def rows(out):
    """All tables of a folder without what holds times."""
    told = {}
    for path in sorted(out.rglob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().split("\n") if line]
        told[path.name] = sorted(
            json.dumps(
                {k: v for k, v in line.items() if not k.rpartition("/")[2].startswith(TIMES)},
                sort_keys=True,
            )
            for line in lines
        )
    return told


def differences(out, whole):
    """What a run left otherwise than an unbroken one."""
    ours, theirs = (_without_older_steps(results(one)) for one in (out, whole))
    faults = (
        [f"other files: {sorted(ours.keys() ^ theirs.keys())[:5]}"]
        if ours.keys() != theirs.keys()
        else []
    )
    differ = [name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]]
    faults += [f"other content: {sorted(differ)[:5]}"] if differ else []
    told, expected = rows(out), rows(whole)
    faults += [f"other rows in {name}" for name in expected if told.get(name) != expected[name]]
    return faults + [f"left {name}" for name in left_over(out)]


def _without_older_steps(files):
    """A stop saves its own step, so other steps may stand before the last one."""
    steps = {int(found[1]) for name in files if (found := STEP.search(name))}
    return {
        name: digest
        for name, digest in files.items()
        if not (found := STEP.search(name)) or int(found[1]) == max(steps)
    }


def complaints(code, log, allowed=(0,)):
    text = log.read_text(errors="replace")
    faults = [] if code in allowed else [f"exit {code}: {text.strip()[-300:]}"]
    return faults + (["a traceback"] if "Traceback" in text else [])


@pytest.mark.slow
@pytest.mark.parametrize("name", SUBJECTS)
def test_kills(attack, tmp_path, stock, name):
    """Several kills of each run; then a signal; then it ends, and as if nothing had been."""
    argv, whole, log = placed(SUBJECTS[name], stock), tmp_path / "whole", tmp_path / "log"
    begin = partial(shutil.copytree, stock["IN"]) if name == "batch filter" else Path.exists
    begin(whole)
    begun = time.monotonic()
    assert ended(forked(argv, whole, log)) == 0, log.read_text()
    length, rng = time.monotonic() - begun, attack.rng
    many = int(os.environ.get("ATTACK_KILLS", KILLS[name.partition(" ")[0]]))
    kills, number, wanted = 0, 0, FEW if attack.few else many
    while kills < wanted:
        out, number = tmp_path / f"broken{number}", number + 1
        log.write_bytes(b"")
        begin(out)
        own = 0
        for _ in range(rng.randint(2, PER_RUN)):
            process = forked(continued(argv, out), out, log)
            if not broken_off(process, rng.uniform(0, length)):
                break
            own += 1
        kills += own
        process = forked(continued(argv, out), out, log)
        asked = broken_off(
            process, rng.uniform(0, length), rng.choice([signal.SIGTERM, signal.SIGINT])
        )
        faults = complaints(process.exitcode, log, ASKED if asked else (0,))
        faults += complaints(ended(forked(continued(argv, out), out, log)), log)
        for kill in range(own):
            attack.tried(f"{name} {number}, kill {kill}", [])
        attack.tried(f"{name} {number}, after {own} kills", faults + differences(out, whole))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2))
def test_nested_folders(attack, tmp_path, stock, number):
    """Two batches at once, one into a folder of the other's; both are killed and both end."""
    log = tmp_path / "log"
    pairs = {"": "align", "inner": "infer"} if number else {"": "enhance", "inner": "align"}
    runs = {place: placed(BATCHES[name], stock) for place, name in pairs.items()}

    def together(out):
        return [forked(argv, out / place, log) for place, argv in runs.items()]

    whole, out, rng = tmp_path / "whole", tmp_path / "out", attack.rng
    begun = time.monotonic()
    for process in together(whole):
        assert ended(process) == 0, log.read_text()
    length = time.monotonic() - begun
    for _ in range(2 if attack.few else 5):
        for process in rng.sample(both := together(out), 2):
            broken_off(process, rng.uniform(0, length / 2))
        assert len(both) == 2
    faults = [fault for process in together(out) for fault in complaints(ended(process), log)]
    attack.tried(f"{pairs}", faults + differences(out, whole))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["batch align", "train identity"])
def test_kills_on_full_disks(attack, tmp_path, stock, name):
    """The disk fills up, a second try on it is killed, then there is room."""
    argv, whole, log = placed(SUBJECTS[name], stock), tmp_path / "room/out", tmp_path / "log"
    assert ended(forked(argv, whole, log)) == 0, log.read_text()
    held = sum(path.stat().st_size for path in whole.rglob("*"))
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={held // 2}", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    out = disk / "out"
    try:
        code = ended(forked(argv, out, log))
        faults = complaints(code, log, (0, 1, 3)) + ([] if code else ["the disk was not full"])
        broken_off(forked(continued(argv, out), out, log), attack.rng.uniform(0, 3))
        subprocess.run(["mount", "-o", "remount,size=1g", disk], check=True)
        faults += complaints(ended(forked(continued(argv, out), out, log)), log)
        attack.tried(name, faults + differences(out, whole))
    finally:
        subprocess.run(["umount", disk], check=False)
