"""The figures of methods of known quality."""

import json
from dataclasses import replace

import pytest

from engine.app.summary import summarise
from engine.core.progress import Silence
from engine.scoring.evaluate import RESERVED, evaluate_methods, same_pictures
from engine.scoring.page import _is_best, page


def test_the_truth_is_itself_at_no_distance(evaluation):
    for figures in (evaluation.report["perfect"], evaluation.report["controls"]["truth"]):
        assert (figures["identity"], figures["perceptual"]) == (1.0, 0.0)
        # The evaluator of ages has errors of its own.
        assert figures["age_identity_accuracy"] >= 5 / 6 - 1e-6


def test_a_blurred_truth_is_farther_off_than_the_truth(evaluation):
    report = evaluation.report
    assert report["blurred"]["perceptual"] > 0.02
    assert report["blurred"]["distance by gradients"] > 0.005
    assert 0.3 < report["blurred"]["identity"] < 1


def test_an_impostor_of_the_right_age_loses_identity_and_accuracy(evaluation):
    figures = evaluation.report["impostor"]
    assert figures["age_mae"] < 8
    assert figures["identity"] < evaluation.report["blurred"]["identity"] - 0.2
    assert figures["age_identity_accuracy"] < 0.5


def test_a_copied_photo_has_full_identity_and_fails_the_accuracy(without_truth):
    figures = without_truth.report["copy"]
    assert (figures["identity"], figures["compared"]) == (1.0, {"photo": 6})
    assert figures["age_identity_accuracy"] < 0.5


def test_figures_without_anything_to_compare_with_are_null_with_the_reason(without_truth):
    figures = without_truth.report["copy"]
    assert (figures["perceptual"], figures["null"]["perceptual"]) == (None, "no truth is known")
    assert (figures["identity_to_photos"], "photos" in figures["null"]["identity_to_photos"]) == (
        None,
        True,
    )


def test_the_nearest_photo_is_a_control(evaluation):
    figures = evaluation.report["copied"]
    # 25 and 45 have photos near; 70 has none, and a copy is not 70.
    by_target = {row["target"]: row for row in figures["by_target"]}
    assert by_target[45.0]["age_mae"] < 8 < by_target[70.0]["age_mae"]
    assert [row["extrapolated_years"] for row in figures["by_target"]] == [0.0, 0.0, 25.0]


def test_a_blurred_portrait_is_less_sharp_and_an_impostor_is_not_verified(evaluation):
    report = evaluation.report
    assert report["copy"]["sharpness"] == pytest.approx(1)
    assert report["blurred"]["sharpness"] < 0.5 < report["impostor"]["sharpness"]
    assert (report["copy"]["verification_rate"], report["impostor"]["verification_rate"]) == (
        1.0,
        0.0,
    )
    for row in report["copy"]["by_target"]:
        assert (row["verification_rate"], row["sharpness"]) == (1.0, pytest.approx(1))


def test_a_portrait_at_the_age_of_its_photo_is_a_reconstruction(evaluation):
    report = evaluation.report
    assert report["copy"]["reconstruction"]["portraits"] == 2
    assert report["copy"]["reconstruction"]["l2"] == 0.0
    assert report["impostor"]["reconstruction"]["l2"] > report["blurred"]["reconstruction"]["l2"]


def test_paired_differences_have_intervals(evaluation):
    pairs = {(p["one"], p["other"], p["figure"]): p for p in evaluation.report["paired"]}
    pair = pairs["perfect", "impostor", "identity"]
    assert (pair["better"], pair["portraits"]) == ("perfect", 6)
    assert 0 < pair["interval"][0] <= pair["difference"] <= pair["interval"][1]
    assert pairs["perfect", "blurred", "perceptual"]["better"] == "perfect"
    assert pairs["blurred", "impostor", "age_mae"]["better"] is None


def test_the_unchanged_photo_is_compared_with_every_method(evaluation):
    pairs = {(p["one"], p["other"], p["figure"]): p for p in evaluation.report["paired"]}
    assert pairs["impostor", "nothing", "identity"]["better"] == "nothing"
    assert pairs["copy", "nothing", "identity"]["difference"] == 0


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (("perfect", "blurred"), {}),
        (("perfect", "again"), {"again": "perfect"}),
        (("blurred", "perfect", "again", "twice"), {"again": "perfect", "twice": "perfect"}),
    ],
)
def test_methods_that_made_the_same_pictures_are_one_result(world, order, expected):
    methods = {method.name: method for method in world.known.methods}
    methods |= {name: replace(methods["perfect"], name=name) for name in ("again", "twice")}
    assert same_pictures([methods[name] for name in order]) == expected


def test_one_of_the_same_pictures_wins_nothing(world):
    methods = {method.name: method for method in world.known.methods}
    chosen = [methods["impostor"], methods["perfect"], replace(methods["perfect"], name="again")]
    material = replace(world.known, methods=tuple(chosen))
    evaluation = evaluate_methods(material, world.suite, Silence(), subject=None, device="cpu")
    compared = {name for row in evaluation.report["paired"] for name in (row["one"], row["other"])}
    assert "again" not in compared
    # Both rows of what is best are bold: the same pictures do not keep each other from it.
    assert _is_best(evaluation.report, "perfect", "identity")
    assert _is_best(evaluation.report, "again", "identity")
    assert not _is_best(evaluation.report, "impostor", "identity")
    said = summarise(evaluation.report).comparisons
    assert said[0] == "again made the same pictures as perfect"
    assert not any(line.startswith("again is") or "than again" in line for line in said)
    assert any(
        line.startswith("impostor is farther from the person than the unchanged photo: ")
        for line in said
    )
    shown = page(evaluation, "tm eval", "tm 1")
    assert "made the same pictures as perfect" in shown
    assert "than the unchanged photo: " in shown


def test_photos_of_whom_nothing_says_whom_they_show_are_not_counted_as_one_person(evaluation):
    assert "<dd>1</dd>" in page(evaluation, "tm eval", "tm 1")
    unnamed = replace(evaluation, report=evaluation.report | {"unnamed_photos": 2})
    assert "<dd>not all named</dd>" in page(unnamed, "tm eval", "tm 1")


def test_photos_without_a_person_are_unnamed(world):
    sources = world.known.sources
    assert world.known.unnamed == 0
    nameless = {key: replace(source, person=None) for key, source in sources.items()}
    assert replace(world.known, sources=nameless).unnamed == len(sources)


def test_portraits_of_the_person_are_verified_against_impostors(evaluation):
    figures = evaluation.report["perfect"]["verification"]
    assert (figures["true_accept_rate"], figures["impostor_pairs"]) == (1.0, 24)
    assert evaluation.report["impostor"]["verification"]["auc"] < figures["auc"]


def test_too_few_pictures_have_no_distance_of_sets(evaluation):
    assert "too few" in evaluation.report["perfect"]["sets"]["why_null"]


def test_two_calls_agree_to_the_last_bit(world, evaluation):
    again = evaluate_methods(world.known, world.suite, Silence(), subject=None, device="cpu")
    texts = [json.dumps(one.report, allow_nan=False) for one in (evaluation, again)]
    assert texts[0] == texts[1]


def test_every_key_of_the_report_is_reserved(evaluation):
    methods = {*evaluation.report["methods"], "copied"}
    assert evaluation.report.keys() - methods <= set(RESERVED)


@pytest.mark.parametrize("method", ["perfect", "copied"])
def test_identity_names_its_evaluator_and_impostor_distance(evaluation, method):
    assert evaluation.report["evaluators"]["identity"] == "dlib 128-D"
    # d0 of dlib among drawn portraits of one age band, sex and skin.
    assert 0.4 < evaluation.report[method]["impostor_distance"] < 0.55
