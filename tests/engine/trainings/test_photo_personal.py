"""`photo/personal` on a drawn person whose hair, against the prior, never greys."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import dated
import numpy as np
import pytest

from engine.app.resume import resume
from engine.app.train import train
from engine.core.errors import InputError
from engine.photo.ageing import BROAD
from engine.photo.bands import blurred
from engine.photo.model import PhotoModel
from engine.photo.personal import PARTS, load_model
from engine.trainings.photo_personal import task
from engine.trainings.photo_prior import measuring
from engine.weights.native import read_card

AGES = (32, 36, 41, 45, 48, 52, 55, 59, 63, 66, 70, 74)
SET = ("person_masks=false", "workers=1")
BEST = Path("checkpoints/best/nets.safetensors")
STRANGER = "50_99.png"


def described(pixels, face):
    """Everybody is the same person, but for one picture that is told by its size."""
    return np.full(128, 0.09 if pixels.shape[0] == 340 else 0.0, np.float32)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("person")


@pytest.fixture(scope="module")
def folder(home):
    return dated.album(home / "anna", AGES, grey=0.0)


@pytest.fixture(autouse=True)
def _drawn(monkeypatch, tmp_path, home):
    monkeypatch.setattr(measuring, "FaceFinder", dated.Finder)
    monkeypatch.setattr(task, "describe_face", described)
    monkeypatch.setenv("TM_CACHE", str(home / "cache"))
    monkeypatch.chdir(tmp_path)


def fit(photos, out, *more):
    return train("photo/personal", [*SET, f"photos='{photos}'", *more], out=out)


@pytest.fixture(scope="module")
def run(folder, home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "FaceFinder", dated.Finder)
        patch.setattr(task, "describe_face", described)
        patch.setenv("TM_CACHE", str(home / "cache"))
        patch.chdir(home)
        fit(folder, home / "run")
    return home / "run"


def test_the_person_departs_from_the_prior(run):
    person = load_model(run / BEST)
    assert person.ages == (32, 74)
    own = person.own.at("hair", 70) - person.own.at("hair", 40)
    assert own[0] < -6, "the prior greys, this person does not"
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["val/held_out"] == 2
    assert last["val/hair/over_prior"] < 0.7
    assert {f"loss/{part}_chance" for part in PARTS} <= set(last)


def test_the_same_photographs_give_the_same_file_and_a_run_goes_on(run, folder, tmp_path):
    again = shutil.copytree(folder, tmp_path / "anna")
    fit(again, tmp_path / "again")
    assert (tmp_path / "again" / BEST).read_bytes() == (run / BEST).read_bytes()
    shutil.rmtree(tmp_path / "again/checkpoints/step_2")
    shutil.rmtree(tmp_path / "again/checkpoints/best")
    assert resume(tmp_path / "again").step == 2
    assert (tmp_path / "again" / BEST).read_bytes() == (run / BEST).read_bytes()


def test_an_export_names_nobody(run, home, tm):
    file = home / "shared.safetensors"
    told = tm("weights", "export", run, file, "--half")
    assert told.code == 0
    assert "biometric data: the mean descriptor" in told.err
    text = json.dumps(read_card(file))
    for word in ("anna", "32_0", str(home), ".png"):
        assert word not in text
    assert read_card(file)["card"]["photos"] == len(AGES)
    assert load_model(file).ages == (32, 74)


def test_somebody_else_and_a_wrong_age_are_named(folder, tmp_path, tm):
    spoilt = shutil.copytree(folder, tmp_path / "faces")
    picture = dated.portrait(50, 77)
    dated.FACES[dated.digest(picture[:330])] = dated.FACES[dated.digest(picture)]
    dated.Image.fromarray(picture[:330]).save(spoilt / STRANGER)
    grey = dated.portrait(88, 6100, grey=1.0)
    dated.Image.fromarray(grey).save(spoilt / "33_98.png")
    options = [part for one in SET for part in ("--set", one)]
    result = tm(
        *("train", "--recipe", "photo/personal", "--photos", spoilt, "--out", tmp_path / "run"),
        *options,
    )
    words = " ".join(result.err.split())
    assert result.code == 0
    assert f"`{STRANGER}` seems to show somebody else" in words
    assert "`33_98.png` fits the others badly" in words
    assert "is 33 the right age?" in words


def test_few_photographs_are_refused(tmp_path):
    with pytest.raises(InputError, match="4 usable photographs are left: at least 5"):
        fit(dated.album(tmp_path / "few", AGES[:4]), tmp_path / "run")


def test_a_run_ages_photographs(run, tmp_path, tm):
    skimage_data = pytest.importorskip("skimage.data")
    photo, out = tmp_path / "eve.png", tmp_path / "aged"
    dated.Image.fromarray(skimage_data.astronaut()).save(photo)
    result = tm("infer", photo, "--weights", run, "--ages", "60,80", "--age", 40, "--out", out)
    assert result.code == 0
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [row["extrapolated_years"] for row in rows] == [0, 6]
    assert all("another_person" in row["flags"] for row in rows)
    assert "seems to show somebody else" in " ".join(result.err.split())
    assert (out / "eve_age80.png").is_file()


def test_a_one_shot_says_what_to_do_instead(run, tm):
    result = tm("oneshot", "--age", 40, "--jitter", 2, "--from", run)
    words = " ".join(result.err.split())
    assert result.code == 2
    assert "needs no one-shot: at every age it rests most on the photographs near it" in words
    assert "--ages 40` shows the person at that age" in words


def test_beyond_the_photographs_the_person_changes_as_the_prior_does(run):
    person = load_model(run / BEST)
    plain = replace(person, gain=np.ones_like(person.gain))
    inside = plain.difference("hair", 40, 74, 0.0) - PhotoModel.difference(plain, "hair", 40, 74, 0)
    assert abs(inside[0]) > 6
    for part in PARTS:
        own = plain.difference(part, 74, 95, 0.0)
        assert np.array_equal(own, PhotoModel.difference(plain, part, 74, 95, 0.0))


def test_the_person_s_own_colour_has_no_gain(run):
    person = load_model(run / BEST)
    own = person.own.at("colour", 70) - person.own.at("colour", 40)
    gain = np.full_like(person.gain, 3.0)
    gain[:, 2] = 9.0
    unsettled = replace(person.own, certainty=np.zeros(len(PARTS), np.float32))
    model = replace(person, gain=gain, own=unsettled)
    prior = PhotoModel.difference(model, "colour", 40, 70, 0.0)

    def error(change):
        broad = blurred(change, BROAD)
        return np.abs(3.0 * broad + 9.0 * (change - broad) - own).max()

    assert error(model.difference("colour", 40, 70, 0.0) - prior) < 0.4 * error(own / 3.0)


def test_a_dry_run_counts_the_photographs(folder, tm):
    result = tm("train", "--recipe", "photo/personal", "--photos", folder, "--dry-run", "--json")
    assert result.json["data"][0].startswith("12 dated faces: 2 in their 30s")
