"""Runs are judged by what their best weights make of photos that they never saw."""

import shutil

import pytest

from engine.app.evaluation import Request, gathered
from engine.config.load import load_recipe
from engine.config.write import recipe_toml
from engine.core.errors import InputError, UsageError
from engine.core.progress import Silence
from engine.prep.synth import SynthPlan, parse_ages, synthesise
from engine.runtime.device import choose
from engine.weights.find import shipped_weights


def begun(folder, recipe):
    """A run as a training leaves it; its weights are those of the prior."""
    best = folder / "checkpoints" / "best"
    best.mkdir(parents=True)
    shutil.copy(shipped_weights()["nano"], best / "nets.safetensors")
    (folder / "recipe.toml").write_text(recipe_toml(recipe))
    (folder / "environment.json").write_text("{}")
    return folder


@pytest.fixture
def run(tmp_path):
    photos = tmp_path / "photos"
    plan = SynthPlan(photos, 1, 8, ages=parse_ages("30..44"), size=128, seed=902_300)
    synthesise(plan, workers=1, progress=Silence())
    settings = [f"photos='{photos}'", "validation.beyond=[60]"]
    return begun(tmp_path / "run", load_recipe("nano/stage1", settings))


def asked(*folders):
    return gathered(Request(tuple(folders)), choose("cpu"), Silence())


def test_held_out_photos_are_aged_over_the_learned_span_and_beyond(run):
    told = asked(run)
    (way,) = told.material.ways
    assert (way.name, told.subject) == ("run", "run")
    targets = {task.target for task in way.portraits}
    assert targets <= {30.0, 35.0, 40.0, 45.0, 60.0}
    assert {35.0, 40.0, 60.0} <= targets
    learned = told.material.photos
    held_out = {source.age for source in told.material.sources.values()}
    assert held_out
    assert held_out.isdisjoint(learned.ages.tolist())
    # One of the targets lies near each photo's own age.
    assert all(min(abs(age - target) for target in targets) <= 2.5 for age in held_out)


def test_what_was_rendered_once_is_not_rendered_again(run):
    asked(run)
    files = sorted((run / "eval").rglob("*.png"))
    times = [path.stat().st_mtime_ns for path in files]
    asked(run)
    assert sorted((run / "eval").rglob("*.png")) == files
    assert [path.stat().st_mtime_ns for path in files] == times


def test_two_runs_stand_side_by_side_on_the_same_photos(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "other")
    told = asked(run, other)
    one, two = told.material.ways
    assert ([one.name, two.name], told.subject) == (["run", "other"], None)
    assert one.portraits.keys() == two.portraits.keys()
    assert len(told.material.photos.ages) + len(told.material.sources) == 8


def test_a_run_whose_photos_are_gone_says_so(run, tmp_path):
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="learned from, is no folder"):
        asked(run)


def test_a_run_that_ages_nobody_is_refused(tmp_path):
    other = begun(tmp_path / "ages", load_recipe("nano/age"))
    with pytest.raises(UsageError, match="kind `age`, which ages nobody"):
        asked(other)
