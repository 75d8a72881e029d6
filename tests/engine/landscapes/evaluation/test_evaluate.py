"""Landscape generators at the acceptance table."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.core.progress import Silence
from engine.data.landscapes import Landscapes
from engine.landscapes.evaluation.evaluate import (
    PHOTOS,
    SMALL,
    EvaluatedRun,
    EvaluationMaterial,
    acceptance,
    evaluate_landscapes,
)
from engine.landscapes.evaluation.page import landscape_page
from engine.landscapes.metrics.evaluation import Effort, LandscapeMetrics
from engine.landscapes.metrics.va_regression import ColorStatisticsRegression
from engine.landscapes.nets.generator import GeneratorSpec, LandscapeGenerator
from engine.worlds.landscapes import place_in_plane, render

EFFORT = Effort(examined=32, learned=48, sweeps=3, steps=4)
CPU = torch.device("cpu")


def world(first, count):
    seeds = range(first, first + count)
    pictures = np.stack([render(*place_in_plane(seed), seed, 16).picture for seed in seeds])
    return Landscapes(pictures, np.array([place_in_plane(seed) for seed in seeds], np.float32))


@pytest.fixture(scope="module")
def sides():
    return world(0, 48), world(900_000, 32)


@pytest.fixture(scope="module")
def judge(sides):
    learn = sides[0]
    return ColorStatisticsRegression.fitted(learn.tensor(range(48)), learn.place(range(48)))


@pytest.fixture(scope="module")
def exam(sides, judge):
    return LandscapeMetrics.of(*sides, judge, EFFORT)


@pytest.fixture
def material(sides, judge):
    torch.manual_seed(0)
    nets = [LandscapeGenerator(GeneratorSpec(6, (16, 12, 8), hidden=5)).eval() for _ in range(2)]
    made = [
        EvaluatedRun(name, net, "0" * 64, warm_start=name == "warm")
        for name, net in zip(("game", "warm"), nets, strict=True)
    ]
    return EvaluationMaterial(made, *sides, judge, "a ridge", photos=False)


def lookup(sides):
    """A painter that knows the truth: it shows the unseen landscape nearest to the wish."""
    check = sides[1]

    def paint(codes, places):
        away = torch.cdist(places, torch.from_numpy(check.places))
        # Codes choose among the nearest, so that they matter as well.
        nearest = away.topk(6, largest=False).indices
        pick = (codes[:, 0].abs() * 100).long() % 6
        return check.tensor(nearest[torch.arange(len(pick)), pick])

    return paint


def test_the_truth_itself_passes_and_noise_does_not(exam, sides):
    real, flags = exam.figures(lookup(sides), 6)
    noise, noisy_flags = exam.figures(lambda codes, places: codes.new_zeros(len(codes), 3, 16, 16)
                                      + 0.3 * codes[:, :3, None, None].tanh(), 6)  # fmt: skip
    assert real["ccc_valence"] > 0.7
    assert real["selection_score"] > noise["selection_score"] + 1
    assert real["variety"] == pytest.approx(1, abs=0.4)
    assert not {"collapse", "deaf"} & set(flags)
    assert {"contrast", "deaf"} < set(noisy_flags)
    assert real["frechet"] < noise["frechet"] / 3
    mood = (noise["ccc_valence"] + noise["ccc_arousal"]) / 2
    flawed = mood - min(noise["frechet"], 2) - 0.1 * len(noisy_flags)
    assert noise["selection_score"] == pytest.approx(flawed)


def test_pictures_learned_from_are_known_as_copies(exam, sides):
    learn = sides[0]

    def copied(codes, places):
        return learn.tensor((torch.arange(len(codes)) * 5) % len(learn))

    figures, flags = exam.figures(copied, 6)
    assert figures["copies"] == 1
    assert "copies" in flags


def test_a_deaf_generator_and_one_of_one_picture_are_flagged(exam, sides):
    check = sides[1]
    codes_only, flags = exam.figures(
        lambda codes, places: check.tensor((codes[:, 0].abs() * 1000).long() % len(check)), 6
    )
    assert codes_only["corners"] == 0
    assert "deaf" in flags
    one = lambda codes, places: check.tensor([3]).expand(len(codes), -1, -1, -1)  # noqa: E731
    figures, flags = exam.figures(one, 6)
    assert figures["variety"] == 0
    assert {"collapse", "deaf"} < set(flags)


def test_the_report_tells_every_row_and_reasons_for_what_is_missing(material):
    told = evaluate_landscapes(material, CPU, Silence(), EFFORT)
    report = told.report
    assert (report["kind"], report["subject"], report["methods"]) == (
        "landscapes", "game", ["game", "warm"],
    )  # fmt: skip
    table = report["game"]["acceptance"]
    assert [row["row"] for row in table] == sorted(row["row"] for row in table)
    assert {row["row"] for row in table} == set(range(1, 13))
    assert all((row["passed"] is None) == (row["why_null"] is not None) for row in table)
    assert report["game"]["failed"] == sum(row["passed"] is False for row in table)
    share = next(row for row in table if row["row"] == 3)
    assert share["value"] == pytest.approx(
        report["game"]["frechet"] / report["warm"]["frechet"], rel=1e-4
    )
    alone = next(row for row in report["warm"]["acceptance"] if row["row"] == 11)
    assert alone["why_null"] == "no other run stands beside it"
    assert next(row for row in table if row["row"] == 12)["passed"] is True
    assert set(told.sheets) == {"real", "game", "warm"}
    assert told.sheets["game"].shape == (6 * 16, 12 * 16, 3)


def test_two_calls_agree(material):
    one, other = (evaluate_landscapes(material, CPU, Silence(), EFFORT).report for _ in range(2))
    assert one == other


def test_photos_are_held_to_their_own_correlations_and_ceiling(material, exam):
    report = evaluate_landscapes(replace(material, photos=True), CPU, Silence(), EFFORT).report
    assert report["limits"] == PHOTOS.name
    table = {row["measure"]: row for row in report["game"]["acceptance"]}
    ceiling = report["ceiling"]["ccc_valence"]
    assert table["ccc_valence"]["limit"] == f">= {0.6 * ceiling:.3g}"
    assert table["v_luma"]["limit"] == "> 0 as the photos"
    figures = dict.fromkeys(exam.follows, 1.0) | dict.fromkeys(
        ("ccc_valence", "ccc_arousal", "mae_valence", "mae_arousal", "corners", "variety", "flags",
         "gamma", "copies", "frechet", "same_twice"), 1.0,
    ) | {"bound": None}  # fmt: skip
    still = replace(exam, follows=dict.fromkeys(exam.follows, 0.1))
    rows = {row.measure: row for row in acceptance(figures, still, PHOTOS, [])}
    assert rows["v_luma"].passed is None
    assert rows["gamma"].why_null == "its units have no gamma"
    against = replace(exam, follows=dict.fromkeys(exam.follows, -0.5))
    assert not {r.measure: r for r in acceptance(figures, against, PHOTOS, [])}["v_luma"].passed


def test_limits_are_those_of_the_table(exam):
    figures = {"ccc_valence": 0.8, "ccc_arousal": 0.69, "mae_valence": 0.1, "mae_arousal": 0.13,
               "frechet": 1.0, "corners": 0.7, "variety": 0.49, "flags": 1.0, "gamma": 2.7,
               "bound": 2.7, "copies": 0.02, "same_twice": True}  # fmt: skip
    figures |= {"v_luma": 0.95, "v_chroma": 0.84, "v_warmth": 0.85, "a_contrast": 0.85,
                "a_edges": 0.84}  # fmt: skip
    broken = {row.measure for row in acceptance(figures, exam, SMALL, []) if row.passed is False}
    assert broken == {"ccc_arousal", "mae_arousal", "variety", "flags", "v_chroma", "a_edges"}


def test_the_page_is_one_file_with_verdicts_and_pictures(material):
    page = landscape_page(evaluate_landscapes(material, CPU, Silence(), EFFORT), "tm eval run")
    assert page.startswith("<!doctype html>")
    assert page.count("data:image/png;base64") == 3
    assert "broken" in page
    assert "not judged: no other run stands beside it" in page
    assert "http" not in page
