"""The tiny landscape recipe from nothing through the command line, cut and taken up again."""

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

ROOT = Path(__file__).parents[3]
LAST = 14
SMALL = (
    "net.latent=6", "net.generator=[8,8,6]", "net.discriminator=[6,8,8]", "net.encoder=[6,8]",
    "net.eru.hidden=4", "learn.size=16", "check.size=16", "learn.count=24", "check.count=20",
    "batch=4", "phase.0.steps=4", "phase.1.steps=10", "save_every=2", "keep=9", "validate_every=7",
    "sample_every=7", "log_every=2", "threads=1", "loss.hinge.weight=0.5", "loss.place.weight=1.0",
    "game.adaptive=true", "game.slow=200",
)  # fmt: skip

LARGER = (
    *(each for each in SMALL if not each.startswith("phase")), "phase.0.steps=14", "game.grow=9",
    "net.generator=[8,8,6,6]", "net.discriminator=[4,6,8,8]", "learn.size=32", "check.size=32",
    "precision='float32'", "net.convs=1", "net.gain=1.0", "net.spectral=false",
    "net.free_reader=false", "net.latent=6", "average.decay=0.9",
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
    told = (Path(run) / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in told]


def test_a_run_from_nothing_trains_both_phases_and_goes_on_in_the_same_bits(
    tm, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert tm("train", "--recipe", "gan/tiny", "--out", "whole", "-q", *settings()).code == 0
    told = rows("whole")
    assert {row["phase"] for row in told} == {"warm", "game"}
    last = told[-1]
    assert last["step"] == LAST
    assert {"val/ccc_valence", "val/frechet", "val/flags", "loss/judge/hinge"} < set(last)
    assert (Path("whole") / "samples" / "step_000014.png").is_file()
    # Cut in the warm start, and in the game.
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
    judged(tm, monkeypatch)
    grown(tm)


def grown(tm):
    """Another run takes up the whole one at twice the side, and is cut half way into the fading."""
    said = [word for each in LARGER for word in ("--set", each)]
    told = ("train", "--recipe", "gan/grown", "--out", "grown", "-q", *said)
    refused = tm(*told)
    assert (refused.code, "`game.grow` needs `start`" in refused.err) == (2, True)
    assert tm(*told, "--from", "whole").code == 0
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


def judged(tm, monkeypatch):
    """The run judged beside one that was cut from it: the same bits, so none is better."""
    monkeypatch.setattr("engine.landscapes.evaluation.runs.SCENES", Scenes(24, 60))
    assert "a run of landscapes" in tm("eval", "whole", "--dry-run").err
    told = tm("eval", "whole", "--against", "cut_8", "--out", "judged", "--json")
    assert told.code == 0
    report = told.json
    assert report["methods"] == ["whole", "cut_8"]
    assert report["whole"]["selection_score"] == report["cut_8"]["selection_score"]
    assert report["whole"]["sha256"] == report["cut_8"]["sha256"]
    assert json.loads(Path("judged/report.json").read_text()) == report
    assert Path("judged/report.html").is_file()
    assert Path("judged/sheet_whole.png").is_file()
    shut = tm("eval", "whole", "--gate", "failed<=0", "--out", "judged", "-q")
    assert (shut.code, "failed<=0: whole has" in shut.err) == (6, True)
    Path("photos").mkdir()
    mixed = tm("eval", "whole", "--against", "photos")
    assert (mixed.code, "beside landscapes" in mixed.err) == (2, True)


def test_a_dry_run_forecasts_both_phases_and_touches_nothing(tm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = tm("train", "--recipe", "gan/tiny", "--dry-run", "--json", *settings())
    assert [phase["name"] for phase in told.json["phases"]] == ["warm", "game"]
    assert not list(tmp_path.iterdir())


def test_a_dry_run_on_rated_photos_shows_where_they_lie(tm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    lines = ["image,valence,arousal"]
    for number in range(1, 6):
        (folder / f"{number}.jpg").write_bytes(b"")
        lines.append(f"{number},{2 * number - 1},1")
    (folder / "ratings.csv").write_text("\n".join(lines))
    told = tm(
        "train", "--recipe", "gan/tiny", "--photos", folder, "--dry-run", "--json",
        *settings("rated.scale=minmax"),
    )  # fmt: skip
    head, title, *cells = told.json["data"]
    assert head == "5 of 5 rated photos are there, scale `minmax`"
    assert "valence" in title
    # Ratings 1, 3, 5, 7, 9 at the calm end: one in each row of the plane.
    assert [row.split()[0] for row in cells] == ["1"] * 5
    assert sum(int(n) for row in cells for n in row.split()) == 5


@pytest.mark.slow
def test_killed_at_three_random_moments_a_game_ends_in_the_same_bits(tmp_path):
    def begun(*words):
        environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT)}
        command = [sys.executable, "-m", "tm", *map(str, words), "-q"]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def training(out):
        return ["train", "--recipe", "gan/tiny", "--out", out, *settings()]

    start = time.monotonic()
    straight = begun(*training(tmp_path / "straight"))
    _, told = straight.communicate(timeout=600)
    assert straight.returncode == 0, told
    whole, contexts = time.monotonic() - start, random.Random(7)
    killed = tmp_path / "killed"
    for _ in range(3):
        there = (killed / "environment.json").exists()
        run = begun(*(["resume", killed] if there else training(killed)))
        time.sleep(whole * contexts.uniform(0.4, 0.9))
        run.kill()
        run.communicate()
    run = begun(*(["resume", killed] if killed.exists() else training(killed)))
    _, told = run.communicate(timeout=600)
    assert run.returncode == 0, told
    assert_same(states(killed), states(tmp_path / "straight"))
