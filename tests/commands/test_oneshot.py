"""`tm oneshot`, and the errors of personal trainings, by the command line."""

import shutil
from dataclasses import replace
from pathlib import Path

import person
import pytest
import torch

from engine.config.load import load_recipe_as
from engine.metrics.bootstrap import Interval
from engine.nets.assemble import time_machine
from engine.training.loop import Outcome
from engine.trainings.personal import gain
from engine.trainings.personal.recipe import PersonalRecipe
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

STEPS = ("--set", "phase.0.steps=1", "--set", "phase.1.steps=1", "-q")


def words(result):
    return " ".join(result.err.split())


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return person.make(tmp_path_factory.mktemp("made"))


@pytest.fixture
def world(original, tmp_path, monkeypatch):
    folder = person.copied(original, tmp_path / "world")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def small(world, monkeypatch):
    """The base recipe of a one-shot, on tiny networks."""
    base = world / "base.toml"
    text = (world / "mined.toml").read_text()
    first, second = text.index("[[phase]]"), text.index("[[loss]]")
    phase = '[[phase]]\nname = "oneshot"\nsteps = 2\ntrainable = ["adapter", "decoder"]\n\n'
    text = text[:first] + phase + text[second:]
    curve = 'targets = { kind = "curriculum", ages = "5..90", beyond = 0.3 }\n'
    assert curve in text
    base.write_text(text.replace(curve, 'targets = { kind = "fixed", age = "40±2" }\n'))
    monkeypatch.setattr("engine.trainings.personal.oneshot.BASES", {"portraits": str(base)})


@pytest.fixture
def run(tm, world):
    result = tm("train", "--recipe", "mined.toml", "--out", "runs/stage", *STEPS)
    assert result.code == 0, result.err
    return Path("runs/stage")


def test_the_newest_finished_personal_run_is_refined_with_its_own_photos(
    tm, run, small, world, monkeypatch
):
    assert tm("train", "--recipe", "mined.toml", "--out", "runs/newer", *STEPS).code == 0
    shutil.rmtree("runs/newer/checkpoints/step_2")
    assert Path("runs/_latest").resolve().name == "newer"
    measured = gain.measured

    def by(interval):
        replaced = lambda *inputs: replace(measured(*inputs), gained=interval, age=None)  # noqa: E731
        monkeypatch.setattr(gain, "measured", replaced)
        monkeypatch.setattr(gain, "FEWEST", 1)

    by(Interval(0.1, 0.01, 0.2))
    result = tm("oneshot", "--age", 40, "--jitter", 2, "--json")
    assert result.code == 0, result.err
    assert f"refines `{run}`, the newest run of two stages" in words(result)
    assert result.json["ended"] == "finished"
    folder = Path(result.json["run"])
    says = gain.read_gain(folder)
    assert result.json["gain"] == says
    assert (says["kept"], says["photos"] >= 1, 0 < says["identity_base"] < 2) == (
        "refinement", True, True,
    )  # fmt: skip
    assert "-10.0 % (-20.0 to -1.0)" in words(result)
    assert read_checkpoint(find_weights(str(folder))).step == 2
    # Where nothing was gained, the run delivers what it began from.
    by(Interval(0.1, -0.01, 0.2))
    assert not gain.settle(folder, Outcome(2, "finished", None, 1.0)).helped
    base, delivered = (read_checkpoint(find_weights(str(one))) for one in (run, folder))
    assert delivered.step == 0
    for part, state in base.parts.items():
        assert all(torch.equal(tensor, delivered.parts[part][key]) for key, tensor in state.items())
    assert time_machine(delivered).adapter is not None
    assert gain.read_gain(folder)["kept"] == "base"
    assert gain.settle(folder, Outcome(1, "stopped", None, 1.0)) is None
    recipe = load_recipe_as(PersonalRecipe, folder / "recipe.toml")
    assert (recipe.start, recipe.photos) == (str(run), str(world / "photos"))
    assert (str(recipe.targets.age), str(recipe.miner.ages)) == ("40±2", "38..42")
    assert str(recipe.miner.impostors) == "38..42"
    # The refinement itself is no run to refine for another age.
    other = tm("oneshot", "--age", 30, "--dry-run", "--json")
    assert other.json["start"] == str(run)
    shutil.rmtree(run)
    shutil.rmtree("runs/newer")
    alone = tm("oneshot", "--age", 30)
    assert (alone.code, "only one-shots" in words(alone)) == (2, True)
    assert f"`--from {folder}` refines it all the same" in words(alone)
    assert Path("runs/_latest").resolve() == folder.resolve()
    assert "oneshot" in (folder / "checkpoints" / "timestamp.txt").read_text()


def test_a_dry_run_touches_nothing(tm, run, small):
    before = sorted(map(str, Path().rglob("*")))
    result = tm("oneshot", "--age", 40, "--from", run, "--dry-run", "--json")
    assert result.code == 0, result.err
    assert result.json["recipe"]["targets"]["age"] == "40±2"
    assert result.json["recipe"]["miner"]["ages"] == "38..42"
    assert "would refine `runs/stage` for 40±2" in words(result)
    assert sorted(map(str, Path().rglob("*"))) == before


@pytest.mark.parametrize(
    ("argv", "fault", "hint"),
    [
        (("--age", "40", "--from", "none"), "`none` holds no run", "give the folder"),
        (("--age", "140"), "the age 140 is outside 0..120", ""),
        (("--age", "40", "--jitter", "-2"), "the jitter of", ""),
        (("--age", "40", "--set", "targets.age='60'"), "not locked on 40±2", ""),
        (("--age", "40", "--set", "miner.ages='20..60'"), "reaches outside 38..42", ""),
    ],
)
def test_a_faulty_one_shot_is_refused(tm, run, argv, fault, hint):
    result = tm("oneshot", "--dry-run", *argv)
    assert result.code == 2
    assert fault in words(result)
    assert hint in words(result)
    assert "Traceback" not in result.err


def test_a_one_shot_needs_a_finished_run(tm, world):
    result = tm("oneshot", "--age", 40, "--dry-run")
    assert (result.code, "no finished personal run" in words(result)) == (2, True)
    assert "--from RUN" in words(result)
    assert "tm prep synth me" in words(result)


@pytest.mark.parametrize(
    ("settings", "code", "fault"),
    [
        (("--photos", "nowhere"), 2, "`nowhere` is not a folder of photos"),
        (("--bank", "nowhere.safetensors"), 4, "nowhere.safetensors"),
        (("--photos", "empty"), 3, "nothing to prepare in `empty`"),
        (("--photos", "ageless"), 3, "has 0 usable photos with an age"),
        (("--from", "nowhere.safetensors"), 2, "nothing is at `nowhere.safetensors`"),
        (("--from", "photos"), 4, "holds no weights yet"),
    ],
)
def test_missing_inputs_are_errors_before_a_run_starts(tm, world, settings, code, fault):
    Path("empty").mkdir()
    Path("ageless").mkdir()
    for index, photo in enumerate(sorted((world / "photos").rglob("*.png"))[:3]):
        shutil.copyfile(photo, Path("ageless") / f"photo{'abc'[index]}.png")
    result = tm("train", "--recipe", "mined.toml", "--out", "run", *STEPS, *settings)
    assert (result.code, fault in words(result)) == (code, True), result.err
    assert "Traceback" not in result.err
    assert not Path("run").exists()


def test_required_keys_are_named(tm, world):
    recipe = world / "bare.toml"
    lines = (world / "mined.toml").read_text().splitlines()
    recipe.write_text("\n".join(line for line in lines if not line.startswith("photos")))
    result = tm("train", "--recipe", "bare.toml", "--out", "run", *STEPS)
    assert (result.code, "`photos` is required" in words(result)) == (2, True)
    recipe.write_text("\n".join(line for line in lines if not line.startswith("bank")))
    result = tm("train", "--recipe", "bare.toml", "--out", "run", *STEPS)
    assert (result.code, "the `miner` needs a `bank`" in words(result)) == (2, True)
    assert not Path("run").exists()


def test_a_person_classifier_needs_a_person_and_impostors(tm, world):
    argv = ("train", "--recipe", "nano/person_classifier", "--photos", "photos")
    planned = tm(*argv, "--dry-run", "--json").json
    assert planned["remarks"] == ["the training needs `impostors`"]
    started = tm(*argv, "--out", "run")
    assert (started.code, "`impostors` is required" in words(started)) == (2, True)
    planned = tm(*argv, "--set", "impostors='impostors'", "--dry-run", "--json").json
    assert planned["remarks"] == []
    assert planned["phases"][0]["trainable"] == ["classifier"]


def test_bank_and_oneshot_are_listed(tm):
    result = tm("--help")
    assert "bank" in result.out
    assert "oneshot" in result.out
