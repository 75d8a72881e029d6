"""Two thousand small pictures through each batch verb: memory and descriptors stay level."""

from contextlib import suppress
from pathlib import Path

import pytest
from attack_processes import forked

PEOPLE, FEW_PEOPLE, PER_PERSON, SIZE = 100, 4, 20, 48
DRAW = ("prep", "synth", "OUT", "--ages", "20..60", "--per-person", PER_PERSON, "--size", SIZE)
ONE = ("--workers", 1)
BATCHES = {
    "align": ("prep", "align", "IN", "OUT", "--size", 32, *ONE),
    "relabel": ("relabel", "IN", "--out", "OUT/l.json", "--aligned", "--experts", "nano-age", *ONE),
    "enhance": ("enhance", "IN", "OUT", "--steps", "esrgan", "--no-guard", *ONE),
    "infer": ("infer", "IN", "--aligned", "--force", "--ages=30", "--out", "OUT", *ONE),
    "bank": ("bank", "build", "IN", "OUT/b.safetensors"),
    "filter": ("prep", "filter", "IN", *ONE),  # the last, as the others pass over what it drops
}  # fmt: skip
EVERY = 0.5
SETTLED = 0.25
"""The share of a run after which everything is loaded."""


def held(pid):
    """MiB and descriptors of a process and all of its group; None where it ends."""
    mib = descriptors = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):  # one that ends meanwhile holds nothing
            state, _, group = (process / "stat").read_text().rpartition(") ")[2].split()[:3]
            if int(group) == pid and state != "Z":
                mib += int((process / "statm").read_text().split()[1]) * 4096 / 2**20
                descriptors += len(list((process / "fd").iterdir()))
    return (mib, descriptors) if mib else None


def watched(argv, out, log):
    """The exit code of a run, and what it held from time to time."""
    process, samples = forked(argv, out, log), []
    while process.exitcode is None:
        process.join(EVERY)
        if process.exitcode is None and (sample := held(process.pid)) is not None:
            samples.append(sample)
    return process.exitcode, samples


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A function that draws the pictures of the fast or of the whole test, once."""
    made = {}

    def draw(few):
        if few not in made:
            folder = tmp_path_factory.mktemp("soak")
            people = FEW_PEOPLE if few else PEOPLE
            told = watched((*DRAW, "--people", people, *ONE), folder / "in", folder / "log")
            made[few] = folder / "in", told
        return made[few]

    return draw


@pytest.mark.slow
@pytest.mark.parametrize("name", ["synth", *BATCHES])
def test_soak(attack, tmp_path, pictures, name):
    source, told = pictures(attack.few)
    log = tmp_path / "log"
    if name != "synth":
        argv = [str(source) if one == "IN" else one for one in BATCHES[name]]
        told = watched(argv, tmp_path / "out", log)
    code, samples = told
    faults = [f"exit {code}: {log.read_text()[-300:]}"] if code else []
    assert samples, log.read_text()
    settled = samples[int(len(samples) * SETTLED) :]
    (mib, descriptors), (mib_end, descriptors_end) = settled[0], settled[-1]
    attack.measured(
        f"{name}: {mib:.0f} MiB, then {mib_end:.0f} (at most {max(settled)[0]:.0f}); "
        f"{descriptors} descriptors, then {descriptors_end}; {len(samples) * EVERY:.0f} s"
    )
    faults += [f"grows from {mib:.0f} to {mib_end:.0f} MiB"] if mib_end > 1.1 * mib + 40 else []
    faults += ["leaks descriptors"] if descriptors_end > descriptors + 4 else []
    attack.tried(name, faults)
