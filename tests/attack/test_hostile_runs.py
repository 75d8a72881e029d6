"""Runs that somebody edited, damaged or moved: `resume` goes on or says what is wrong."""

import json
import os
import shutil

import pytest

FEW = 2
SETTINGS = (
    *("steps=4", "batch=4", "loss.photographs=2", "save_every=2", "validate_every=2", "threads=1"),
    *("data.train.people=6", "data.train.scenes=2"),
    *("data.validation.people=4", "data.validation.scenes=2"),
)
JUNK = (b"", b"null", b"[]", b"5", b"{", b"\xff\xfe", b"[" * 50_000, b"9" * 5000, bytes(1000))
LAST = "checkpoints/step_4"
FILES = (
    *("recipe.toml", "command.txt", "environment.json", "metrics.jsonl"),
    *(f"{LAST}/state.json", f"{LAST}/nets.safetensors", f"{LAST}/state.safetensors"),
    *("checkpoints/best/nets.safetensors", "checkpoints/best/state.json"),
)
ENVIRONMENT = {
    "device": ["\x1b[31m", 5, "cuda:99"],
    "devices": [10**9, "x", 0, -1],
    "threads": [-1, 10**9, "x"],
    "packages": [None, "[red]\x1b[31m"],
    "weights": [None, 5, {"x": 5}, {"identity": "\x1b[31m"}],
    "python": [[]],
}
STATE = {
    "step": ["x", -5, 10**30, None, 1.5],
    "nets": [5, [], None, ["a/b"]],
    "state": [None, [], {}, {"$tensor": "nothing"}, {"$pairs": [[[], 1]]}, {"$what": 1}],
    "metrics": [None, 5],
}
RECIPE = {
    "fewer steps": ("steps = 4", "steps = 1"),
    "other batch": ("batch = 4", "batch = 8"),
    "huge batch": ("batch = 4", "batch = 800000000"),
    "other widths": ("widths = [", "widths = [ 8, "),
    "other kind": ('kind = "identity"', 'kind = "enhance"'),
}
"""What is replaced in the recipe."""


def edited(file, key, value):
    """Change one value of a JSON file."""

    def change(run):
        content = json.loads((run / file).read_text())
        (run / file).write_text(json.dumps({**content, key: value}))

    return change


def written(file, content):
    """Replace a file."""
    return lambda run: (run / file).write_bytes(content)


def replaced(old, new):
    """Replace a text in the recipe."""

    def change(run):
        text = (run / "recipe.toml").read_text()
        assert old in text, text
        (run / "recipe.toml").write_text(text.replace(old, new))

    return change


def as_other(file, make):
    """Put something else where a file or a folder is."""

    def change(run):
        path = run / file
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        make(path)

    return change


def tampering():
    """Name to what is done to a run."""
    cases = {f"{file} = {junk[:9]!r}": written(file, junk) for file in FILES for junk in JUNK}
    for table, file in ((ENVIRONMENT, "environment.json"), (STATE, f"{LAST}/state.json")):
        for key, values in table.items():
            for value in values:
                cases[f"{file} {key}={str(value)[:20]!r}"] = edited(file, key, value)
    cases |= {name: replaced(*change) for name, change in RECIPE.items()}
    cases |= {
        "no checkpoints": lambda run: shutil.rmtree(run / "checkpoints"),
        "a file for a checkpoint": as_other(LAST, lambda path: path.write_text("x")),
        "checkpoint 9999": lambda run: (run / "checkpoints/step_9999").mkdir(),
        "checkpoint of arabic digits": lambda run: (run / "checkpoints/step_\u0663").mkdir(),
        "metrics is a folder": as_other("metrics.jsonl", lambda path: path.mkdir()),
        "metrics is a pipe": as_other("metrics.jsonl", os.mkfifo),
        "lock is a pipe": as_other(".lock", os.mkfifo),
        "recipe of /dev/zero": written("recipe.toml", b'extends = "/dev/zero"\n'),
    }
    return cases


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run of four steps, and its cache of portraits."""
    from engine.app.train import train

    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TM_CACHE", str(folder / "cache"))
        train("nano/identity", SETTINGS, out=folder / "run")
    return folder


@pytest.fixture
def base(trained, monkeypatch):
    monkeypatch.setenv("TM_CACHE", str(trained / "cache"))
    return trained / "run"


def test_tampered_runs(attack, tm, tmp_path, base):
    cases = tampering()
    for name in attack.chosen(cases, FEW):
        run = tmp_path / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(base, run)
        cases[name](run)
        for argv in (("resume", run, "--dry-run"), ("resume", run)):
            attack.told(f"{argv[-1]} {name}", tm(*argv), allowed={0, 2, 4, 5})
        export = ("weights", "export", run, tmp_path / "e.safetensors", "--overwrite")
        attack.told(f"export {name}", tm(*export), allowed={0, 2, 4})


def test_moved_runs(attack, tm, tmp_path, base, monkeypatch):
    """A run under another name, below a link, and from another folder goes on."""
    shutil.copytree(base, tmp_path / "deep" / "other name")
    (tmp_path / "link").symlink_to("deep")
    monkeypatch.chdir(tmp_path / "deep")
    for place in ("other name", "../link/other name", str(tmp_path / "link" / "other name")):
        shutil.rmtree(tmp_path / "deep" / "other name" / LAST, ignore_errors=True)
        result = tm("resume", place, "--json")
        ended = json.loads(result.out).get("step") if result.code == 0 else None
        also = [] if ended == 4 else [f"ends at step {ended}"]
        attack.told(place, result, allowed={0}, also=also)
