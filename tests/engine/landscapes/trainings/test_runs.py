"""The tiny landscape recipe through the command line, interrupted and resumed."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from engine.landscapes.evaluation.runs import Scenes
from engine.training.checkpoint import read_snapshot
from engine.weights.native import read_card
from engine.worlds.landscapes import VERSION

ROOT = Path(__file__).parents[3]
LAST = 14
SMALL = (
    "net.latent=6", "net.generator=[8,8,6]", "net.discriminator=[6,8,8]", "net.encoder=[6,8]",
    "net.eru.hidden=4", "data.train.size=16", "data.validation.size=16", "data.train.count=24",
    "data.validation.count=20", "batch=4", "phase.0.steps=4", "phase.1.steps=10", "save_every=2",
    "keep=9", "validate_every=7", "sample_every=7", "log_every=2", "threads=1",
    "loss.hinge.weight=0.5", "loss.valence_arousal.weight=1.0", "adversarial.adaptive=true",
    "adversarial.ada_images=200",
)  # fmt: skip

LARGER = (
    *(each for each in SMALL if not each.startswith("phase")), "phase.0.steps=14",
    "adversarial.fade_in=9", "net.generator=[8,8,6,6]", "net.discriminator=[4,6,8,8]",
    "data.train.size=32", "data.validation.size=32", "precision='float32'", "net.convs=1",
    "net.gain=1.0", "net.spectral_norm=false", "net.unconstrained_va_head=false", "net.latent=6",
    "average.decay=0.9",
)  # fmt: skip


def settings(*more):
    return [word for each in (*SMALL, *more) for word in ("--set", each)]


def states(run):
    return read_snapshot(Path(run) / "checkpoints" / f"step_{LAST}")


def flat(nets):
    return {f"{part}.{key}": t for part, net in nets.items() for key, t in net.items()}


def assert_same(one, other):
    first, second = flat(one.nets), flat(other.nets)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    for part, average in one.state["averages"].items():
        for key, value in average.items():
            assert torch.equal(value, other.state["averages"][part][key])


def rows(run):
    lines = (Path(run) / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_run_trains_both_phases_and_resumes_bit_for_bit(tm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tm("train", "--recipe", "gan/tiny", "--out", "whole", "-q", *settings()).code == 0
    metrics = rows("whole")
    assert {row["phase"] for row in metrics} == {"warm_start", "adversarial"}
    last = metrics[-1]
    assert last["step"] == LAST
    assert {
        "val/ccc_valence",
        "val/frechet_distance",
        "val/red_flags",
        "loss/discriminator/hinge",
    } < set(last)
    assert (Path("whole") / "samples" / "step_000014.png").is_file()
    # Cut in the warm start, and in the adversarial phase.
    for step in (2, 8):
        cut = f"cut_{step}"
        shutil.copytree("whole", cut)
        for folder in (Path(cut) / "checkpoints").glob("step_*"):
            if int(folder.name.split("_")[1]) > step:
                shutil.rmtree(folder)
        assert tm("resume", cut, "--dry-run", "--json").json["runs"][0]["step"] == step
        assert tm("resume", cut, "-q").code == 0
        assert_same(states(cut), states("whole"))
        assert rows(cut)[-1]["val/selection_score"] == last["val/selection_score"]
    evaluated(tm, monkeypatch)
    of_another_world(tm)
    grown(tm)


def of_another_world(tm):
    """A run of a version of the drawn world that is no more is not gone on with, nor evaluated."""
    shutil.copytree("whole", "old")
    path = Path("old/environment.json")
    now = json.loads(path.read_text())
    assert now["worlds"] == {"landscapes": VERSION}
    for worlds in ({"landscapes": "0"}, None):
        path.write_text(json.dumps({**now, "worlds": worlds}))
        for command in (("resume", "old"), ("resume", "old", "-n"), ("eval", "old")):
            refused = tm(*command)
            version = "1" if worlds is None else "0"
            assert (refused.code, f"version {version} of the drawn landscapes" in refused.err) == (
                2,
                True,
            ), (command, refused.err)
        exported = tm("weights", "export", "old", f"old_{version}.safetensors", "-q")
        assert exported.code == 0, exported.err
        card = read_card(Path(f"old_{version}.safetensors"))["card"]
        assert card["landscapes"] == {"version": version, "references": []}


def grown(tm):
    """Another run starts from the whole one at twice the size, and is cut during the fade-in."""
    overrides = [word for each in LARGER for word in ("--set", each)]
    command = ("train", "--recipe", "gan/grown", "--out", "grown", "-q", *overrides)
    refused = tm(*command)
    assert (refused.code, "`adversarial.fade_in` needs `start`" in refused.err) == (2, True)
    assert tm(*command, "--from", "whole").code == 0
    shutil.copytree("grown", "cut_grown")
    shutil.rmtree(Path("cut_grown") / "checkpoints" / f"step_{LAST}")
    for step in (8, 10, 12):
        shutil.rmtree(Path("cut_grown") / "checkpoints" / f"step_{step}")
    half = read_snapshot(Path("cut_grown") / "checkpoints" / "step_6").nets["generator"]
    assert half["fade.count"].tolist() == [5, 9]
    assert tm("resume", "cut_grown", "-q").code == 0
    assert_same(states("cut_grown"), states("grown"))
    assert states("grown").nets["discriminator"]["fade.count"].tolist() == [9, 9]
    assert tm("gan", "--va", "0.8,0.3", "--weights", "grown", "--out", "one.png", "-q").code == 0
    with Image.open("one.png") as picture:
        assert picture.size == (32, 32)


def evaluated(tm, monkeypatch):
    """The run compared with one that was cut from it: equal metrics."""
    monkeypatch.setattr("engine.landscapes.evaluation.runs.SCENES", Scenes(24, 60))
    assert "a run of landscapes" in tm("eval", "whole", "--dry-run").err
    result = tm("eval", "whole", "--against", "cut_8", "--out", "report", "--json")
    assert result.code == 0
    report = result.json
    assert report["methods"] == ["whole", "cut_8"]
    assert report["evaluated_by"]["structure"] == "landscapes-structure"
    assert "kinds_at_a_mood" in report["whole"]
    assert report["whole"]["selection_score"] == report["cut_8"]["selection_score"]
    assert report["whole"]["sha256"] == report["cut_8"]["sha256"]
    assert json.loads(Path("report/report.json").read_text()) == report
    assert Path("report/report.html").is_file()
    assert Path("report/sheet_whole.png").is_file()
    shut = tm("eval", "whole", "--gate", "failed<=0", "--out", "report", "-q")
    assert (shut.code, "failed<=0: whole has" in shut.err) == (6, True)
    Path("photos").mkdir()
    mixed = tm("eval", "whole", "--against", "photos")
    assert (mixed.code, "compared with landscapes" in mixed.err) == (2, True)


def test_a_dry_run_forecasts_both_phases_and_touches_nothing(tm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = tm("train", "--recipe", "gan/tiny", "--dry-run", "--json", *settings())
    assert [phase["name"] for phase in result.json["phases"]] == ["warm_start", "adversarial"]
    assert not list(tmp_path.iterdir())


def test_a_dry_run_on_rated_photos_shows_a_histogram(tm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    lines = ["image,valence,arousal"]
    for number in range(1, 6):
        (folder / f"{number}.jpg").write_bytes(b"")
        lines.append(f"{number},{2 * number - 1},1")
    (folder / "ratings.csv").write_text("\n".join(lines))
    result = tm(
        "train", "--recipe", "gan/tiny", "--photos", folder, "--dry-run", "--json",
        *settings("data.ratings.scale=minmax"),
    )  # fmt: skip
    head, title, *cells = result.json["data"]
    assert head == "5 of 5 rated photos are there, scale `minmax`"
    assert "valence" in title
    # Ratings 1, 3, 5, 7, 9 at the lowest arousal: one in each row of the plane.
    assert [row.split()[0] for row in cells] == ["1"] * 5
    assert sum(int(n) for row in cells for n in row.split()) == 5


@pytest.mark.slow
def test_a_training_killed_at_random_ends_bit_for_bit_the_same(tmp_path):
    def started(*words):
        environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT)}
        command = [sys.executable, "-m", "tm", *map(str, words), "-q"]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def training(out):
        return ["train", "--recipe", "gan/tiny", "--out", out, *settings()]

    start = time.monotonic()
    straight = started(*training(tmp_path / "straight"))
    _, errors = straight.communicate(timeout=600)
    assert straight.returncode == 0, errors
    whole, chance = time.monotonic() - start, random.Random(7)
    killed = tmp_path / "killed"
    for _ in range(3):
        there = (killed / "environment.json").exists()
        run = started(*(["resume", killed] if there else training(killed)))
        time.sleep(whole * chance.uniform(0.4, 0.9))
        run.kill()
        run.communicate()
    run = started(*(["resume", killed] if killed.exists() else training(killed)))
    _, errors = run.communicate(timeout=600)
    assert run.returncode == 0, errors
    assert_same(states(killed), states(tmp_path / "straight"))
