"""`tm infer` on clips by every kind of model: codes of the published containers, runs, a person."""

import json

import numpy as np
import person
import pytest

from engine.photo.model import SHAPES, load_photo_model
from engine.photo.personal import (
    CURVES,
    KNOTS,
    PARTS,
    Deviation,
    personal_checkpoint,
    with_deviation,
)
from engine.weights.find import shipped_weights
from engine.weights.native import save_native
from tests.support.clips import RATE, faces, read_frames, times_of, walls, write_clip

OFF = ("--set", "evaluate=false")
FACE, WALL = np.s_[30:80, 55:95], np.s_[:, :8]


def rows_of(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def apart(one, other):
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize(
    ("kind", "options"), [("sam", OFF), pytest.param("mytm", (), marks=pytest.mark.slow)]
)
def test_models_of_codes_age_the_face_in_every_frame(tm, containers, tmp_path, kind, options):
    clip = write_clip(tmp_path / "a.mp4", [*faces(6), *walls(2), *faces(3)], sound="aac")
    out, weights = tmp_path / "out", containers[0] / f"{kind}.pt"
    argv = ("--ages", "20,70", "--out", out, "--weights", weights, *options)
    result = tm("infer", clip, *argv, "--json")
    assert (result.code, result.json["done"]) == (0, 2)
    before = read_frames(clip)
    young, old = (read_frames(out / f"a_age{age}.mp4") for age in (20, 70))
    assert times_of(out / "a_age70.mp4") == times_of(clip)
    for number in (1, 4, 9):
        assert apart(old[number][FACE], before[number][FACE]) > 8
        assert apart(old[number][FACE], young[number][FACE]) > 2
    assert max(apart(old[n][WALL], before[n][WALL]) for n in range(len(before))) < 3
    assert apart(old[7], before[7]) < 3
    assert {row["frames_unchanged"] for row in rows_of(out)} == {2}
    evaluated = [row["frames_evaluated"] for row in rows_of(out)]
    assert evaluated == ([0, 0] if options else [9, 9])


@pytest.mark.slow
def test_a_run_of_one_person_ages_a_drawn_clip(tm, tmp_path, monkeypatch):
    from engine.worlds.portraits import identity, render, scene
    from engine.worlds.portraits.motion import LIVELY, scene_at

    monkeypatch.chdir(person.make(tmp_path / "world"))
    short = ("--set", "phase.0.steps=2", "--set", "phase.1.steps=2", "-q")
    assert tm("train", "--recipe", "toy.toml", "--out", "run", *short).code == 0
    view = scene(person.PERSON, pose=0.3)
    frames = [
        render(identity(person.PERSON), 35.0, scene_at(view, LIVELY, n / RATE), 192).picture
        for n in range(7)
    ]
    clip, out = write_clip(tmp_path / "a.mp4", frames), tmp_path / "out"
    argv = ("--ages", "40,70", "--out", out, "--weights", "run", "--force", *OFF)
    assert tm("infer", clip, *argv).code == 0
    made = read_frames(out / "a_age70.mp4")
    assert (
        min(apart(a[60:150, 60:130], b[60:150, 60:130]) for a, b in zip(made, frames, strict=True))
        > 5
    )
    assert [row["extrapolated_years"] for row in rows_of(out)] == [0.0, 20.0]


@pytest.fixture(scope="module")
def own_model(tmp_path_factory):
    """A person photographed at 30 to 60 whose hair darkens by twenty levels meanwhile."""
    curves = np.zeros((len(PARTS), len(KNOTS), CURVES), np.float32)
    curves[PARTS.index("hair"), :, 0] = np.linspace(0, 3, len(KNOTS))
    maps = {part: np.zeros((CURVES, *SHAPES[part][1:]), np.float32) for part in PARTS}
    maps["hair"][0] = (-20, 0, 0)
    own = Deviation(
        span=np.array([30, 60], np.float32),
        identity=np.full(128, 0.09, np.float32),
        certainty=np.ones(len(PARTS), np.float32),
        curves=curves,
        **maps,
    )
    path = tmp_path_factory.mktemp("own") / "person.safetensors"
    prior = load_photo_model(shipped_weights()["photo"])
    save_native(path, personal_checkpoint(with_deviation(prior, own), {}))
    return path


def test_a_personal_photo_model_ages_a_clip_and_says_what_it_does_not_know(tm, own_model, tmp_path):
    clip = write_clip(tmp_path / "a.mp4", list(faces(4)))
    asked = ("--ages", "55,95", "--age", 35, *OFF)
    result = tm("infer", clip, *asked, "--out", tmp_path / "own", "--weights", own_model)
    assert result.code == 0
    assert "seems to show somebody else" in " ".join(result.err.split())
    rows = rows_of(tmp_path / "own")
    assert [row["extrapolated_years"] for row in rows] == [0, 35]
    assert ["target_beyond_data" in row["flags"] for row in rows] == [False, True]
    assert all("another_person" in row["flags"] for row in rows)
    assert tm("infer", clip, *asked, "--out", tmp_path / "any", "--weights", "photo").code == 0
    own, anybody = (read_frames(tmp_path / name / "a_age55.mp4") for name in ("own", "any"))
    hair = np.s_[:30, 60:100]
    assert all(a[hair].mean() < b[hair].mean() - 2 for a, b in zip(own, anybody, strict=True))
