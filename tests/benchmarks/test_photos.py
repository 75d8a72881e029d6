"""The proof of the photo prior: it knows who follows, who does nothing and who only adds noise."""

import csv
import json
from pathlib import Path

import numpy as np
import photos
import pytest
from evaluation.photos.composite import composite
from evaluation.photos.judged import TARGETS, Judged, figures
from evaluation.photos.models import FOLDS, fold_of
from evaluation.photos.networks import Line, even_weights
from evaluation.photos.pair_figures import pair_figures
from evaluation.photos.pairs import Pair, PairRows, measures, true_pairs, with_noise
from evaluation.photos.portraits import FITTED, LATER, Cache, Portrait, read_portraits
from evaluation.photos.sheet import KINDS, Question, questions, save_sheet, scored
from PIL import Image

from engine.core.errors import UsageError
from engine.faces.detect import Face
from engine.photo.features import features_of, view_of
from tests.engine.photo.conftest import drawn_portrait, small_model

COMPOSITES = Path(photos.__file__).parents[1] / "engine/shipped/composites"


def somebody(number=0, *, age=50.0, edition=FITTED, split="train", pixels=None):
    sex = "F" if number % 4 == 0 else "M"
    shown, points = drawn_portrait()
    face = Face((60.0, 80.0, 190.0, 210.0), 1.0, points, "hog", 0, False, 0.0)
    shown = shown if pixels is None else pixels
    mask = np.ones(shown.shape[:2], np.float32)
    return Portrait(
        edition, f"person {number}", sex, age, 1.0, split, f"{number:08x}", shown, face, mask
    )


def judged(follow, *, own=0.7, people=60, dark=0):
    """People in whom a network of slope `own` sees `follow` of each year that was asked for."""
    ages = np.linspace(30, 85, people)
    who = [somebody(n, age=age, pixels=np.zeros((4, 4, 3), np.uint8)) for n, age in enumerate(ages)]
    asked = np.array(TARGETS) - ages[:, None]
    raw = own * ages + 10
    return Judged(
        people=who,
        raw={"age-cc0": raw},
        seen={"age-cc0": raw[:, None] + own * follow * asked},
        lines={"age-cc0": [Line(1 / own, -10 / own, own)] * people},
        distance=np.abs(asked) / 150,
        background=np.zeros_like(asked),
        same_sex=np.ones(asked.shape, bool),
        lightness=np.where(np.arange(people) < dark, 40.0, 70.0),
    )


@pytest.mark.parametrize("follow", [0.0, 0.5, 1.0])
def test_the_share_is_of_the_networks_own_slope(follow):
    network = figures(judged(follow))["networks"]["age-cc0"]
    assert network["own_slope"][0] == pytest.approx(0.7, abs=0.001)
    for name in ("share_of_own_slope", "older", "younger"):
        assert network[name] == pytest.approx([follow] * 3, abs=0.002)


def test_who_follows_hits_the_target_and_who_does_not_is_off_by_what_was_asked():
    assert figures(judged(1.0))["networks"]["age-cc0"]["error"][0] == pytest.approx(0, abs=1e-6)
    lazy = figures(judged(0.0))
    assert lazy["networks"]["age-cc0"]["error"] == lazy["do_nothing"]["error"]


def test_small_groups_are_shown_but_do_not_decide():
    groups = figures(judged(0.9, dark=5))["networks"]["age-cc0"]["groups"]
    assert (groups["dark skin"]["people"], groups["dark skin"]["decides"]) == (5, False)
    assert groups["men"]["decides"]
    assert groups["women"]["of_mean"] == pytest.approx(1, abs=0.01)


def test_who_follows_meets_every_goal_and_who_does_nothing_misses_those_of_age():
    assert all(figures(judged(1.0))["goals"].values())
    missed = [goal for goal, met in figures(judged(0.0))["goals"].items() if not met]
    assert len(missed) == 4
    assert all(goal.startswith("age-cc0") for goal in missed)


def test_identity_is_told_by_the_size_of_the_change():
    by_change = figures(judged(1.0))["by_change"]
    distances = [one["distance"] for one in by_change.values()]
    assert distances == sorted(distances)
    assert sum(one["pictures"] for one in by_change.values()) == 240


def test_a_line_is_fitted_as_if_all_ages_were_equally_frequent():
    generator = np.random.default_rng(0)
    ages = np.concatenate([generator.uniform(30, 80, 100), generator.normal(57, 2, 400)])
    raw = 0.6 * ages + 12 + generator.normal(0, 4, 500)
    seen = Line.fitted(raw, ages).years(np.array([30 * 0.6 + 12, 78 * 0.6 + 12]))
    assert np.abs(seen - [30, 78]).max() < 4.5
    plain = np.polyval(np.polyfit(raw, ages, 1), 30 * 0.6 + 12)
    assert abs(seen[0] - 30) < abs(plain - 30)


def test_weights_even_out_the_ages():
    weights = even_weights(np.array([31.0] * 3 + [52.0] * 9))
    assert weights[:3].sum() == pytest.approx(weights[3:].sum())
    assert weights.mean() == pytest.approx(1)


def test_a_person_is_in_one_fold_in_both_editions():
    people = [somebody(n % 40, edition=(FITTED, LATER)[n // 40]) for n in range(80)]
    folds = fold_of(people)
    assert (folds[:40] == folds[40:]).all()
    women = np.array([p.sex == "F" for p in people[:40]])
    assert sorted(np.bincount(folds[:40][women], minlength=FOLDS)) == [2] * FOLDS


def rows(made, pairs=60):
    """Pairs with a true change, and one that `made` makes of it.

    Errors of the earlier measure are in the true change and in what noise makes of it.
    """
    draw = np.random.default_rng(2)
    people = [
        Pair(somebody(n, age=50), somebody(n, age=55 + n % 6, edition=LATER)) for n in range(pairs)
    ]
    error = draw.normal(0, 0.1, (pairs, 5))
    true = draw.normal(0.05, 0.1, (pairs, 5)) - error
    noise = 0.05 - 0.2 * error + draw.normal(0, 0.02, (pairs, 5))
    changes = {"true": true, "aged": made(true), "wrong": -true, "noise": noise, "again": true}
    changes["before"] = error
    distance = {"left": np.full(pairs, 0.4), "aged": np.full(pairs, 0.39)}
    distance["wrong"] = np.full(pairs, 0.42)
    return PairRows(people, changes, distance, {})


def test_the_truth_passes_the_pairs_and_noise_does_not():
    everybody = pair_figures(rows(lambda true: true))["all"]
    band = everybody["band 0"]
    assert band["error_less_left"][2] < 0
    assert band["correlation"][1] > 0.99
    assert band["noise"]["correlation"][1] < 0 < band["noise"]["correlation"][2]
    assert band["ceiling"]["correlation"][0] == pytest.approx(1)
    assert everybody["dlib"]["aged_less_left"][2] < 0 < everybody["dlib"]["wrong_less_left"][1]
    assert everybody["faceres"] is None


def test_the_goals_of_pairs_know_truth_from_standing_still():
    still = pair_figures(rows(lambda true: 0.01 * np.roll(true, 1, axis=0)))["goals"]
    truth = pair_figures(rows(lambda true: true))["goals"]
    assert {"dlib", "hair lightness", "band 0"} <= set(truth["nearer than as it is"])
    assert all(met for goal, met in truth.items() if goal.startswith(("finest", "coarse")))
    assert "band 0" not in still["nearer than as it is"]
    assert not still["finest band: at least 0.5 of its true size"]


def test_the_wrong_direction_does_not_pass():
    band = pair_figures(rows(lambda true: -true))["all"]["band 0"]
    assert band["error_less_left"][1] > 0
    assert band["correlation"][2] < 0


def test_pairs_are_told_apart_by_sex_and_gap():
    groups = pair_figures(rows(lambda true: true))
    assert groups["men"]["pairs"] + groups["women"]["pairs"] == groups["all"]["pairs"]
    assert {"4 to 7.5 years", "9 to 12 years"} < set(groups)


def test_the_noise_of_the_baseline_is_fine_and_the_same_each_time():
    one, model = somebody(), small_model()
    noisy = with_noise(one)
    assert np.array_equal(noisy, with_noise(one))
    faces = [
        features_of(view_of(p, one.face.landmarks, model.mean_points), model.mean_points)
        for p in (one.pixels, noisy)
    ]
    plain, changed = (measures(face, face.skin[::2, ::2]) for face in faces)
    assert changed[0] > plain[0] + 0.02
    assert abs(changed[3] - plain[3]) < 0.2 * (changed[0] - plain[0])


def test_pairs_are_of_one_person_and_years_apart():
    people = [somebody(1, age=50), somebody(1, age=58, edition=LATER)]
    people += [somebody(2, age=50), somebody(2, age=52, edition=LATER), somebody(3)]
    assert [pair.earlier.person for pair in true_pairs(people)] == ["person 1"]


def some_questions():
    return questions([somebody(n, age=40.0 + n) for n in range(14)], small_model(), seed=3)


@pytest.fixture(scope="module")
def asked():
    return some_questions()


def test_a_sheet_asks_every_question_and_keeps_its_key_apart(asked, tmp_path):
    save_sheet(tmp_path, asked)
    page = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    assert page.count("<fieldset>") == len(asked) == 12
    assert "person 1" not in page
    with (tmp_path / "key.csv").open(encoding="utf-8") as file:
        key = list(csv.DictReader(file))
    truths = {kind: [r["truth"] for r in key if r["kind"] == kind] for kind in KINDS}
    assert sorted(truths["same"]) == ["no", "no", "yes", "yes"]
    assert sorted(truths["photograph"]) == ["altered", "altered", "taken", "taken"]
    assert sorted(truths["older"]) == ["left", "left", "right", "right"]


def test_nobody_is_asked_about_twice(asked):
    people = [one.person for one in asked]
    assert len(set(people)) == len(people)


def test_the_same_seed_asks_the_same(asked):
    assert [one[2:] for one in some_questions()] == [one[2:] for one in asked]


def answered(folder, truths, answers):
    blank = np.zeros((4, 4, 3), np.uint8)
    save_sheet(
        folder,
        [Question(kind, [blank], truth, f"p{n}", "") for n, (kind, truth) in enumerate(truths)],
    )
    lines = [f"{number},{answer}" for number, answer in enumerate(answers, 1)]
    (folder / "answers.csv").write_text("\n".join(["question,answer", *lines]), encoding="utf-8")


def test_answers_are_scored(tmp_path):
    truths = [("older", "left"), ("older", "right"), ("photograph", "altered")]
    answered(tmp_path, truths, ["left", "left", "taken"])
    result = scored(tmp_path / "key.csv", tmp_path / "answers.csv")
    assert result["older"]["right"][0] == 0.5
    assert result["altered_taken_for_photographs"] == 1.0
    assert "same" not in result


def test_a_file_of_other_columns_is_refused(tmp_path):
    answered(tmp_path, [("older", "left")], ["left"])
    (tmp_path / "answers.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(UsageError, match="lacks the columns"):
        scored(tmp_path / "key.csv", tmp_path / "answers.csv")


def test_what_is_kept_is_not_made_again(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"a": np.arange(3)}

    for _ in range(2):
        assert Cache(tmp_path / "kept").get("one", make)["a"].tolist() == [0, 1, 2]
    assert len(made) == 1
    Cache(None).get("one", make)
    assert len(made) == 2


def test_portraits_without_a_face_are_left_out(tmp_path):
    (tmp_path / FITTED).mkdir()
    Image.new("RGB", (120, 150), (90, 120, 90)).save(tmp_path / FITTED / "a.png")
    table = "path,person,sex,age,age_error,split\n2015/a.png,a,M,50,1,train\n"
    (tmp_path / "people.csv").write_text(table, encoding="utf-8")
    assert read_portraits(tmp_path, Cache(None), (FITTED,)) == []


def test_a_composite_needs_thirty_people():
    with pytest.raises(ValueError, match="needs 30 people, these are 3"):
        composite([somebody(n) for n in range(3)])


@pytest.mark.parametrize("file", sorted(COMPOSITES.glob("*.jpg")), ids=lambda file: file.stem)
def test_a_shipped_composite_is_nobody_in_particular(file):
    with Image.open(file) as picture:
        card = json.loads(picture.info["comment"])
    assert file.stat().st_size < 150_000
    assert card["synthetic"] is True
    assert int(card["what"].split()[2]) >= 30
    assert card["least_dlib_distance_to_a_member"] > 0.5


def test_two_composites_ship():
    assert len(list(COMPOSITES.glob("*.jpg"))) == 2


def test_without_portraits_everything_is_skipped(capsys, tmp_path):
    photos.main(["judged", "--portraits", str(tmp_path)])
    assert capsys.readouterr().out.startswith("skipped")


def test_figures_stand_on_a_line_each():
    result = {"a": [0.1, 0.2, 0.3], "b": {"c": [1, 2]}, "d": []}
    text = photos.compact(result)
    assert json.loads(text) == result
    assert '"a": [0.1, 0.2, 0.3]' in text


def test_what_writes_needs_a_place(capsys):
    with pytest.raises(SystemExit):
        photos.main(["sheet", "--portraits", "here"])
    assert "needs --out" in capsys.readouterr().err
