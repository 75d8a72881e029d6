"""`tm oneshot` and the errors around a person's model, as a user meets them."""

import shutil
from pathlib import Path

import person
import pytest

from engine.config.load import load_recipe_as
from engine.trainings.personal.recipe import PersonalRecipe

STEPS = ("--set", "phase.0.steps=1", "--set", "phase.1.steps=1", "-q")


def words(told):
    return " ".join(told.err.split())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return person.make(tmp_path_factory.mktemp("made"))


@pytest.fixture
def world(made, tmp_path, monkeypatch):
    folder = person.copied(made, tmp_path / "world")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def small(world, monkeypatch):
    """The base of a one-shot on this world's tiny networks."""
    base = world / "base.toml"
    told = (world / "mined.toml").read_text()
    first, second = told.index("[[phase]]"), told.index("[[loss]]")
    phase = '[[phase]]\nname = "oneshot"\nsteps = 2\ntrainable = ["adapter", "decoder"]\n\n'
    told = told[:first] + phase + told[second:]
    curve = 'targets = { kind = "curriculum", ages = "5..90", beyond = 0.3 }\n'
    assert curve in told
    base.write_text(told.replace(curve, 'targets = { kind = "fixed", age = "40±2" }\n'))
    monkeypatch.setattr("engine.trainings.personal.oneshot.BASES", {"portraits": str(base)})


@pytest.fixture
def run(tm, world):
    told = tm("train", "--recipe", "mined.toml", "--out", "runs/stage", *STEPS)
    assert told.code == 0, told.err
    return Path("runs/stage")


def test_the_newest_finished_personal_run_is_refined_with_its_own_photos(tm, run, small, world):
    assert tm("train", "--recipe", "mined.toml", "--out", "runs/newer", *STEPS).code == 0
    shutil.rmtree("runs/newer/checkpoints/step_2")
    assert Path("runs/_latest").resolve().name == "newer"
    told = tm("oneshot", "--age", 40, "--jitter", 2, "--json")
    assert told.code == 0, told.err
    assert told.json["ended"] == "finished"
    made = Path(told.json["run"])
    recipe = load_recipe_as(PersonalRecipe, made / "recipe.toml")
    assert (recipe.start, recipe.photos) == (str(run), str(world / "photos"))
    assert (str(recipe.targets.age), str(recipe.miner.ages)) == ("40±2", "38..42")
    assert Path("runs/_latest").resolve() == made.resolve()
    assert "oneshot" in (made / "checkpoints" / "timestamp.txt").read_text()


def test_a_rehearsal_touches_nothing(tm, run):
    before = sorted(map(str, Path().rglob("*")))
    told = tm("oneshot", "--age", 40, "--from", run, "--dry-run", "--json")
    assert told.code == 0, told.err
    assert told.json["recipe"]["targets"]["age"] == "40±2"
    assert told.json["recipe"]["miner"]["ages"] == "38..42"
    assert "would refine `runs/stage` for 40±2" in words(told)
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
def test_what_cannot_be_refined_is_said(tm, run, argv, fault, hint):
    told = tm("oneshot", "--dry-run", *argv)
    assert told.code == 2
    assert fault in words(told)
    assert hint in words(told)
    assert "Traceback" not in told.err


def test_without_a_finished_run_there_is_nothing_to_refine(tm, world):
    told = tm("oneshot", "--age", 40, "--dry-run")
    assert (told.code, "no finished personal run" in words(told)) == (2, True)
    assert "--from" in words(told) or "name one" in words(told)


@pytest.mark.parametrize(
    ("settings", "code", "fault"),
    [
        (("--photos", "nowhere"), 2, "`nowhere` is not a folder of photos"),
        (("--bank", "nowhere.safetensors"), 4, "nowhere.safetensors"),
        (("--photos", "empty"), 3, "nothing to prepare in `empty`"),
        (("--photos", "ageless"), 3, "has 0 usable photos with an age"),
        (("--from", "nowhere.safetensors"), 2, "unknown weights `nowhere.safetensors`"),
        (("--from", "photos"), 4, "holds no best weights yet"),
    ],
)
def test_what_is_missing_is_said_before_a_run_begins(tm, world, settings, code, fault):
    Path("empty").mkdir()
    Path("ageless").mkdir()
    for index, photo in enumerate(sorted((world / "photos").rglob("*.png"))[:3]):
        shutil.copyfile(photo, Path("ageless") / f"photo{'abc'[index]}.png")
    told = tm("train", "--recipe", "mined.toml", "--out", "run", *STEPS, *settings)
    assert (told.code, fault in words(told)) == (code, True), told.err
    assert "Traceback" not in told.err
    assert not Path("run").exists()


def test_what_a_recipe_requires_is_said(tm, world):
    recipe = world / "bare.toml"
    lines = (world / "mined.toml").read_text().splitlines()
    recipe.write_text("\n".join(line for line in lines if not line.startswith("photos")))
    told = tm("train", "--recipe", "bare.toml", "--out", "run", *STEPS)
    assert (told.code, "`photos` is required" in words(told)) == (2, True)
    recipe.write_text("\n".join(line for line in lines if not line.startswith("bank")))
    told = tm("train", "--recipe", "bare.toml", "--out", "run", *STEPS)
    assert (told.code, "the `miner` needs a `bank`" in words(told)) == (2, True)
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


def test_the_world_s_commands_are_listed(tm):
    told = tm("--help")
    assert "bank" in told.out
    assert "oneshot" in told.out
