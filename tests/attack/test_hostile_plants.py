"""Pipes, devices and links where `tm` keeps or reads a file of its own: nothing hangs, and nothing
is written through them."""

import os
import resource
import shutil
import signal
from pathlib import Path

import pytest
from attack_batches import drawn

FEW = 3
PATIENCE = 60
"""Seconds after which a call hangs: nobody writes into a planted pipe."""
ROOM = 3 << 30
"""Bytes that a call may take: `/dev/zero` would take all there are."""
MINE = b"three years of work\n"
RUNS = {
    "align": (("prep", "align", "IN", "OUT", "--size", 64, "--workers", 1), ("manifest.jsonl",)),
    "infer": (
        ("infer", "IN", "--aligned", "--force", "--ages=30", "--out", "OUT"),
        ("results.jsonl", "20_0_age30.png"),
    ),
    "enhance": (
        ("enhance", "IN", "OUT", "--steps", "esrgan", "--no-guard", "--workers", 1),
        ("manifest.jsonl", "20_0.png", "20_0.json", "recipe.toml"),
    ),
    "relabel": (
        *(("relabel", "IN", "--out", "OUT/l.json", "--experts", "nano-age", "--workers", 1),),
        ("l.json", "l_files/votes.jsonl", "l_files/.votes.jsonl.journal", "l_files/.lock"),
    ),
    "bank": (("bank", "build", "IN", "OUT/b.safetensors"), ("b.safetensors", ".b.ledger.jsonl")),
    "synth": (
        *(("prep", "synth", "OUT", "--people", 1, "--per-person", 1, "--size", 32),),
        ("manifest.jsonl",),
    ),
}
FAST = ("align", "synth")
ALWAYS = (".lock", ".lock.json", ".tm-files", ".manifest.jsonl.journal", ".results.jsonl.journal")
PLANTS = ("pipe", "device", "link", "folder", "file")
READ = {
    "weights": ("infer", "IN", "--ages=30", "--out", "OUT", "--weights", "FILE"),
    "import": ("weights", "import", "FILE", "--name", "x"),
    "safetensors": ("bank", "info", "FILE.safetensors"),
    "labels": ("relabel", "IN", "--out", "OUT/l.json", "--labels", "FILE.csv", "--workers", 1),
    "truth": ("relabel", "IN", "--out", "OUT/l.json", "--truth", "FILE.csv", "--workers", 1),
    "manifest": ("prep", "split", "HOLD/manifest.jsonl"),
    "recipe": ("recipe", "check", "FILE.toml"),
    "ages": ("prep", "align", "IN", "OUT", "--ages", "FILE.csv", "--workers", 1),
    "landmarks": ("infer", "IN", "--ages=30", "--out", "OUT", "--landmarks", "FILE.json"),
    "photo": ("infer", "FILE.png", "--ages=30", "--out", "OUT"),
    "search": ("bank", "search", "FILE.safetensors", "IN/20_0.png"),
    "calibration": ("relabel", "IN", "--out", "OUT/l.json", "--set", "calibration='FILE.json'"),
    "gan": ("gan", "--va", "0.5,0.5", "--weights", "FILE.pt", "--out", "OUT/g.png"),
    "train": (
        *("train", "--recipe", "nano/stage1", "--photos", "IN", "--bank", "FILE.pt"),
        *("--set", "loss.contrastive_id.weight=0.02"),
    ),
    "from": ("train", "--recipe", "nano/stage1", "--photos", "IN", "--from", "FILE.safetensors"),
    "run": ("resume", "RUN"),
    "export": ("weights", "export", "RUN", "OUT/e.safetensors"),
    "eval": ("eval", "HOLD", "--out", "OUT"),
    "audit": ("enhance", "IN", "HOLD", "--audit"),
}


class HangsError(Exception):
    """A call did not end."""


@pytest.fixture
def patient(tm):
    """`tm`, which is broken off if it hangs or takes `ROOM` more of memory."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()

    def alarm(number, frame):
        raise HangsError

    def run(*argv):
        before = signal.signal(signal.SIGALRM, alarm)
        signal.alarm(PATIENCE)
        resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, most))
        try:
            return tm(*argv)
        finally:
            signal.alarm(0)
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
            signal.signal(signal.SIGALRM, before)

    return run


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    pictures = sorted(drawn(folder / "w", 1, 2, 902_700).rglob("*.png"))
    (folder / "in").mkdir()
    for index, path in enumerate(pictures):
        shutil.copy(path, folder / "in" / f"{20 + index}_0.png")
    return folder / "in"


def plant(path, how, victim):
    """Something that is no file of tm's own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    match how:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "link":
            path.symlink_to(victim)
        case "folder":
            path.mkdir()
        case "file":
            path.write_bytes(MINE)


@pytest.mark.parametrize(
    "command", [pytest.param(one, marks=() if one in FAST else pytest.mark.slow) for one in RUNS]
)
def test_plants_in_out(attack, patient, tmp_path, faces, command):
    argv, own = RUNS[command]
    cases = [(name, how) for name in (*ALWAYS, *own) for how in PLANTS]
    for number, (name, how) in enumerate(attack.chosen(cases, FEW)):
        out, victim = tmp_path / f"o{number}", tmp_path / "victim"
        victim.write_bytes(MINE)
        plant(out / name, how, victim)
        result = patient(
            *(str(one).replace("IN", str(faces)).replace("OUT", str(out)) for one in argv)
        )
        also = [] if victim.read_bytes() == MINE else ["wrote through a link"]
        also += [] if os.path.lexists(out / name) else ["removed what is not its own"]
        if how == "file" and (not (out / name).is_file() or (out / name).read_bytes() != MINE):
            also.append("replaced a foreign file")
        hung = ["hangs"] if "HangsError" in result.err else []
        attack.told(f"{command} {name} is a {how}", result, allowed={0, 2, 3}, also=also + hung)
        shutil.rmtree(out, ignore_errors=True)


@pytest.mark.parametrize("how", ["pipe", "device"])
def test_plants_to_read(attack, patient, tmp_path, faces, how):
    for number, name in enumerate(attack.chosen(READ, FEW)):
        box = tmp_path / str(number)
        run, hold = box / "run", box / "hold"
        own = ("environment.json", "recipe.toml", "metrics.jsonl", "command.txt")
        held = ("manifest.jsonl", "results.jsonl")
        for path in (*(run / name for name in own), *(hold / name for name in held)):
            plant(path, how, None)
        places = {"IN": faces, "OUT": box / "out", "RUN": run, "HOLD": hold}
        places["FILE"] = box / "file"
        for ending in ("", ".csv", ".json", ".pt", ".png", ".toml", ".safetensors"):
            plant(box / f"file{ending}", how, None)
        argv = []
        for one in map(str, READ[name]):
            for word, place in places.items():
                one = one.replace(word, str(place))
            argv.append(one)
        result = patient(*argv)
        hung = ["hangs"] if "HangsError" in result.err else []
        attack.told(f"{name} is a {how}", result, allowed={2, 3, 4}, also=hung)
