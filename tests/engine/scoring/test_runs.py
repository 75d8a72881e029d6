"""Runs are evaluated by their best weights on held-out photos."""

import shutil

import pytest

from engine.app.eval import EvalRequest, gather
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
