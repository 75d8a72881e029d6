"""Runs are evaluated by their best weights on held-out photos."""

import json
import shutil

import numpy as np
import pytest

from engine.app.eval import EvalRequest, gather
from engine.config.load import load_recipe
from engine.config.write import recipe_toml
from engine.core.errors import InputError, UsageError
from engine.core.progress import Silence
from engine.images.saving import save_png
from engine.prep.synth import SynthPlan, parse_ages, synthesise
from engine.runtime.device import choose
from engine.weights.find import shipped_weights


def begun(folder, recipe, weights="nano"):
    """A run as a training leaves it; its weights are some that ship."""
    best = folder / "checkpoints" / "best"
    best.mkdir(parents=True)
    shutil.copy(shipped_weights()[weights], best / "nets.safetensors")
    (folder / "recipe.toml").write_text(recipe_toml(recipe))
    (folder / "environment.json").write_text("{}")
    return folder


@pytest.fixture
def run(tmp_path):
    photos = tmp_path / "photos"
    plan = SynthPlan(photos, 1, 8, ages=parse_ages("30..44")[0], size=128, seed=902_300)
    synthesise(plan, workers=1, progress=Silence())
    settings = [f"photos='{photos}'", "validation.beyond=[60]"]
    return begun(tmp_path / "run", load_recipe("nano/stage1", settings))


def gathered(*folders):
    return gather(EvalRequest(folders=folders), choose("cpu"), Silence())


def test_held_out_photos_are_aged_over_the_training_span_and_beyond(run):
    result = gathered(run)
    (method,) = result.material.methods
    assert (method.name, result.subject) == ("run", "run")
    targets = {task.target for task in method.portraits}
    assert targets <= {30.0, 35.0, 40.0, 45.0, 60.0}
    assert {35.0, 40.0, 60.0} <= targets
    trained = result.material.photos
    held_out = {source.age for source in result.material.sources.values()}
    assert held_out
    assert held_out.isdisjoint(trained.ages.tolist())
    # One of the targets lies near each photo's own age.
    assert all(min(abs(age - target) for target in targets) <= 2.5 for age in held_out)


@pytest.mark.parametrize("kind", ["agetransformer", "prior"])
def test_a_run_on_drawn_people_is_compared_with_their_truth(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("engine.scoring.held_out.MAX_DRAWN", 1)
    monkeypatch.setattr("engine.scoring.held_out.AGES", (20.0, 50.0, 80.0))
    recipe = {"agetransformer": "agetransformer/nano", "prior": "nano/prior"}[kind]
    weights = {"agetransformer": "agetransformer", "prior": "nano"}[kind]
    run = begun(tmp_path / "run", load_recipe(recipe), weights)
    rows = [{"step": n, "phase": "x", "loss/real/identity": 1 - n / 9} for n in range(1, 9)]
    (run / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    result = gathered(run)
    (method,) = result.material.methods
    ages = {task.target for task in method.portraits}
    assert ages == (set(range(5, 100, 10)) if kind == "agetransformer" else {20, 50, 80})
    assert {task.target for task in result.material.truth} == ages
    assert result.trends["run"].value == pytest.approx(-6 / 9)


def test_an_age_transformer_on_labels_ages_the_faces_that_it_held_out(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.scoring.held_out.MAX_HELD_OUT", 2)
    faces = tmp_path / "faces"
    faces.mkdir()
    for number in range(40):
        save_png(faces / f"{20 + number}_{number}.png", np.full((64, 64, 3), number, np.uint8), {})
    settings = [f"photos='{faces}'", "size=64"]
    run = begun(tmp_path / "run", load_recipe("agetransformer/v1", settings), "agetransformer")
    result = gathered(run)
    assert len(result.material.sources) == 2
    assert result.trends == {}


def test_a_run_that_ages_nobody_says_what_to_type(tmp_path):
    run = begun(tmp_path / "run", load_recipe("nano/identity"), "nano-identity")
    with pytest.raises(UsageError, match="kind `identity`, which ages no photos") as caught:
        gathered(run)
    assert "tm eval aged" in str(caught.value.hint)


def test_a_second_call_renders_nothing(run):
    gathered(run)
    files = sorted((run / "eval").rglob("*.png"))
    times = [path.stat().st_mtime_ns for path in files]
    gathered(run)
    assert sorted((run / "eval").rglob("*.png")) == files
    assert [path.stat().st_mtime_ns for path in files] == times


def test_two_runs_stand_side_by_side_on_the_same_photos(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "other")
    result = gathered(run, other)
    one, two = result.material.methods
    assert ([one.name, two.name], result.subject) == (["run", "other"], None)
    assert one.portraits.keys() == two.portraits.keys()
    assert len(result.material.photos.ages) + len(result.material.sources) == 8


def test_missing_photos_of_a_run_are_an_error(run, tmp_path):
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="was trained on, is no folder"):
        gathered(run)


def test_a_run_that_ages_no_photos_is_refused(tmp_path):
    other = begun(tmp_path / "ages", load_recipe("nano/age"))
    with pytest.raises(UsageError, match="kind `age`, which ages no photos"):
        gathered(other)
