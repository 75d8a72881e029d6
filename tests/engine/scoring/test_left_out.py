"""A run of `photo/personal` is evaluated on photographs that its fit did not see.

The drawn person's hair, against the prior, never greys.
"""

import json

import dated
import numpy as np
import pytest

from engine.app.eval import EvalRequest, evaluate, summarise
from engine.app.train import train
from engine.core.errors import InputError, UsageError
from engine.photo.features import FaceFeatures
from engine.scoring.looks import Looks, looks_report, looks_sentences
from engine.scoring.material import Task
from engine.trainings.photo_personal import task
from engine.trainings.photo_prior import measuring

AGES = (30, 33, 36, 39, 42, 45, 48, 51, 54, 57, 60, 63, 66, 69, 72, 75)
LEFT_OUT = 5


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("person")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "FaceFinder", dated.Finder)
        patch.setattr(task, "describe_face", lambda pixels, face: np.full(128, 0.01, np.float32))
        patch.setenv("TM_CACHE", str(home / "cache"))
        patch.chdir(home)
        photos = dated.album(home / "anna", AGES, grey=0.0)
        settings = [f"photos='{photos}'", "person_masks=false", "workers=1"]
        train("photo/personal", settings, out=home / "own")
        yield home / "own"


def report_of(run, out, **more):
    return evaluate(EvalRequest(folders=[run], out=out, device="cpu", workers=1, **more))


@pytest.fixture(scope="module")
def report(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    return report_of(run, out, leave_out=LEFT_OUT), out


def test_photographs_are_left_out_and_aged_to_each_others_ages(report):
    found, out = report
    assert found["methods"] == ["own", "prior"]
    assert found["subject"] == "own"
    assert set(found["controls"]) | {"copied"} == {"nothing", "copied", "truth"}
    left = found["left_out"]["ages"]
    assert (len(left), found["left_out"]["of"]) == (LEFT_OUT, len(AGES))
    assert found["photos"]["count"] == len(AGES) - LEFT_OUT
    rows = found["rows"]["own"]
    assert {row["photo_age"] for row in rows} == {row["target"] for row in rows} == set(left)
    assert all(row["photo_age"] != row["target"] for row in rows)
    assert len(rows) == LEFT_OUT * (LEFT_OUT - 1)
    assert all(row["identity_to"] == "truth" for row in rows)
    assert json.loads((out / "report.json").read_text()) == found


def test_the_person_is_nearer_to_the_truth_than_the_prior(report):
    found, out = report
    distances = found["looks"]["distances"]
    assert set(distances) == {"own", "prior", "copied", "nothing"}
    hair = {method: one["hair"]["mean"] for method, one in distances.items()}
    assert hair["own"] < 0.6 * hair["prior"]
    sentences = summarise(found).comparisons
    assert any(
        line.startswith("own is nearer to the true photographs than prior in hair lightness")
        for line in sentences
    )
    page = (out / "report.html").read_text()
    assert "<h2>Looks</h2>" in page
    assert "without 5 of 16 photographs" in page


def test_without_a_number_those_of_the_training_are_left_out(run, tmp_path):
    assert report_of(run, tmp_path)["left_out"]["photographs"] == round(0.2 * len(AGES))


@pytest.mark.parametrize("count", [12, 40])
def test_too_many_cannot_be_left_out(run, tmp_path, count):
    with pytest.raises(UsageError, match=f"{count} of 16 photographs cannot") as caught:
        report_of(run, tmp_path, leave_out=count)
    assert caught.value.hint == "`--leave-out` takes 2 to 11"


def test_such_a_run_stands_alone(run, tmp_path):
    with pytest.raises(UsageError, match="person's own photographs"):
        report_of(run, tmp_path, against=run.parent / "anna")
    with pytest.raises(UsageError, match="and none is given"):
        evaluate(EvalRequest(folders=[run.parent / "anna"], leave_out=3))


def test_photographs_that_are_gone_are_an_error(run, tmp_path):
    photos = run.parent / "anna"
    photos.rename(tmp_path / "elsewhere")
    try:
        with pytest.raises(InputError, match="was trained on, is no folder"):
            report_of(run, tmp_path / "report")
    finally:
        (tmp_path / "elsewhere").rename(photos)


def face(light=0.0, pixels=900.0):
    return FaceFeatures(
        shape=np.full((73, 2), light, np.float32),
        colour=np.full((160, 128, 3), light, np.float32),
        skin=np.ones((160, 128), np.float32),
        detail=np.full((80, 64, 4), light, np.float32),
        hair=np.array([50 + light, 0, 0], np.float32),
        hair_pixels=pixels,
        nuisance=np.zeros(7, np.float32),
        code=np.zeros(466, np.float32),
    )


def test_looks_are_compared_where_both_show_them():
    looks = Looks("me")
    for number in range(6):
        looks.add("me", Task("a", number), face(1.0), face())
        looks.add("prior", Task("a", number), face(3.0), face())
        looks.add("copied", Task("a", number), face(1.0, pixels=0.0), face())
        looks.add("nothing", Task("a", number), None, face())
    report = looks_report(looks)
    assert report["distances"]["me"]["detail"]["mean"] == pytest.approx(1)
    assert report["distances"]["copied"]["hair"] is None
    assert report["distances"]["nothing"]["shape"] is None
    nearer = {(row["than"], row["measure"]): row for row in report["nearer"]}
    assert nearer["prior", "colour"]["mean"] == pytest.approx(2)
    assert nearer["prior", "colour"]["better"] is True
    assert nearer["copied", "colour"]["better"] is None
    assert len(looks_sentences(report)) == 4


def test_few_true_photographs_call_nothing_nearer():
    looks = Looks("me")
    for number in range(4):
        looks.add("me", Task("a", number), face(1.0), face())
        looks.add("prior", Task("a", number), face(3.0), face())
    assert looks_sentences(looks_report(looks)) == []
