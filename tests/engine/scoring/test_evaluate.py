"""What the figures must say of ways that we know to be good and bad."""

import json

import pytest

from engine.core.progress import Silence
from engine.scoring.evaluate import RESERVED, evaluate


def test_the_truth_is_itself_at_no_distance(evaluation):
    for told in (evaluation.report["perfect"], evaluation.report["controls"]["truth"]):
        assert (told["identity"], told["perceptual"]) == (1.0, 0.0)
        # The judge of ages has errors of its own.
        assert told["right"] >= 5 / 6 - 1e-6


def test_a_blurred_truth_is_farther_off_than_the_truth(evaluation):
    report = evaluation.report
    assert report["blurred"]["perceptual"] > 0.03
    assert report["blurred"]["distance by gradients"] > 0.005
    assert 0.3 < report["blurred"]["identity"] < 1


def test_a_stranger_of_the_right_age_loses_identity_and_the_headline(evaluation):
    told = evaluation.report["stranger"]
    assert told["age_mae"] < 8
    assert told["identity"] < evaluation.report["blurred"]["identity"] - 0.2
    assert told["right"] < 0.5


def test_a_copied_photo_is_perfectly_itself_and_fails_the_headline(without_truth):
    told = without_truth.report["copy"]
    assert (told["identity"], told["compared"]) == (1.0, {"photo": 6})
    assert told["right"] < 0.5


def test_figures_without_anything_to_compare_with_are_null_with_the_reason(without_truth):
    told = without_truth.report["copy"]
    assert (told["perceptual"], told["null"]["perceptual"]) == (None, "no truth is known")
    assert (told["identity_to_photos"], "photos" in told["null"]["identity_to_photos"]) == (
        None,
        True,
    )


def test_the_nearest_photo_is_a_way_of_its_own(evaluation):
    told = evaluation.report["copied"]
    # 25 and 45 have photos near; 70 has none, and a copy cannot look 70.
    by_target = {row["target"]: row for row in told["by_target"]}
    assert by_target[45.0]["age_mae"] < 8 < by_target[70.0]["age_mae"]
    assert [row["beyond"] for row in told["by_target"]] == [0.0, 0.0, 25.0]


def test_a_blurred_portrait_is_less_sharp_and_a_stranger_is_not_known_again(evaluation):
    report = evaluation.report
    assert report["copy"]["sharpness"] == pytest.approx(1)
    assert report["blurred"]["sharpness"] < 0.5 < report["stranger"]["sharpness"]
    assert (report["copy"]["known_again"], report["stranger"]["known_again"]) == (1.0, 0.0)
    for row in report["copy"]["by_target"]:
        assert (row["known_again"], row["sharpness"]) == (1.0, pytest.approx(1))


def test_a_portrait_at_the_age_of_its_photo_is_a_reconstruction(evaluation):
    report = evaluation.report
    assert report["copy"]["reconstruction"]["portraits"] == 2
    assert report["copy"]["reconstruction"]["l2"] == 0.0
    assert report["stranger"]["reconstruction"]["l2"] > report["blurred"]["reconstruction"]["l2"]


def test_what_is_better_at_what_is_told_with_its_doubt(evaluation):
    found = {(p["one"], p["other"], p["figure"]): p for p in evaluation.report["paired"]}
    pair = found["perfect", "stranger", "identity"]
    assert (pair["better"], pair["portraits"]) == ("perfect", 6)
    assert 0 < pair["interval"][0] <= pair["difference"] <= pair["interval"][1]
    assert found["perfect", "blurred", "perceptual"]["better"] == "perfect"
    assert found["blurred", "stranger", "age_mae"]["better"] is None


def test_portraits_of_the_person_are_verified_against_strangers(evaluation):
    told = evaluation.report["perfect"]["verification"]
    assert (told["rate"], told["stranger_pairs"]) == (1.0, 24)
    assert evaluation.report["stranger"]["verification"]["auc"] < told["auc"]


def test_too_few_pictures_have_no_distance_of_sets(evaluation):
    assert "too few" in evaluation.report["perfect"]["sets"]["why_null"]


def test_two_calls_tell_the_same_to_the_last_bit(world, evaluation):
    again = evaluate(world.known, world.panel, Silence(), subject=None, device="cpu")
    texts = [json.dumps(one.report, allow_nan=False) for one in (evaluation, again)]
    assert texts[0] == texts[1]


def test_no_key_of_the_report_is_free_for_a_way(evaluation):
    ways = {*evaluation.report["ways"], "copied"}
    assert evaluation.report.keys() - ways <= set(RESERVED)


@pytest.mark.parametrize("way", ["perfect", "copied"])
def test_identity_names_its_judge_and_what_a_stranger_is(evaluation, way):
    assert evaluation.report["judges"]["identity"] == "dlib 128-D"
    # d0 of dlib among drawn portraits of one age band, sex and skin.
    assert 0.4 < evaluation.report[way]["identity_strangers"] < 0.55
