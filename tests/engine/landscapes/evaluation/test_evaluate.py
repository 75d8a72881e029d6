"""Landscape generators at the acceptance table."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.core.errors import WeightsError
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
from engine.landscapes.metrics.recoloured import Recolouring
from engine.landscapes.metrics.structure import StructureMetrics, equalised
from engine.landscapes.metrics.va_regression import ColorStatisticsRegression
from engine.landscapes.nets.generator import GeneratorSpec, LandscapeGenerator
from engine.landscapes.nets.structure import StructureEvaluator, StructureEvaluatorSpec
from engine.worlds.landscapes import render, scene_va

EFFORT = Effort(held_out=32, training=48, sweeps=3, steps=4)
CPU = torch.device("cpu")


def world(first, count):
    seeds = range(first, first + count)
    pictures = np.stack([render(*scene_va(seed), seed, 16).picture for seed in seeds])
    return Landscapes(pictures, np.array([scene_va(seed) for seed in seeds], np.float32))


@pytest.fixture(scope="module")
def sides():
    return world(0, 48), world(900_000, 32)


@pytest.fixture(scope="module")
def predictor(sides):
    learn = sides[0]
    return ColorStatisticsRegression.fitted(learn.tensor(range(48)), learn.va_of(range(48)))


@pytest.fixture(scope="module")
def metrics(sides, predictor):
    return LandscapeMetrics.of(*sides, predictor, EFFORT)


@pytest.fixture(scope="module")
def structure(sides):
    return StructureMetrics.of(*sides, EFFORT)


@pytest.fixture
def material(sides, predictor):
    torch.manual_seed(0)
    nets = [LandscapeGenerator(GeneratorSpec(6, (16, 12, 8), hidden=5)).eval() for _ in range(2)]
    made = [
        EvaluatedRun(name, net, "0" * 64, warm_start=name == "warm")
        for name, net in zip(("gan", "warm"), nets, strict=True)
    ]
    return EvaluationMaterial(made, *sides, predictor, "a ridge", photos=False)


def lookup(sides):
    """A generator that returns the held-out landscape nearest to the target."""
    check = sides[1]

    def generate(noise, va):
        away = torch.cdist(va, torch.from_numpy(check.va))
        # The latent chooses among the nearest.
        nearest = away.topk(6, largest=False).indices
        pick = (noise[:, 0].abs() * 100).long() % 6
        return check.tensor(nearest[torch.arange(len(pick)), pick])

    return generate


def test_real_landscapes_score_well_and_noise_does_not(metrics, sides):
    real, flags = metrics.compute(lookup(sides), 6)
    noise, noisy_flags = metrics.compute(lambda noise, va: noise.new_zeros(len(noise), 3, 16, 16)
                                      + 0.3 * noise[:, :3, None, None].tanh(), 6)  # fmt: skip
    assert real["ccc_valence"] > 0.6
    assert real["selection_score"] > noise["selection_score"] + 1
    assert real["latent_diversity"] == pytest.approx(1, abs=0.4)
    assert not {"collapse", "ignores_va"} & set(flags)
    assert {"contrast", "ignores_va"} < set(noisy_flags)
    assert real["frechet_distance"] < noise["frechet_distance"] / 3
    mean_ccc = (noise["ccc_valence"] + noise["ccc_arousal"]) / 2
    flawed = mean_ccc - min(noise["frechet_distance"], 2) - 0.1 * len(noisy_flags)
    assert noise["selection_score"] == pytest.approx(flawed)


def test_training_images_are_flagged_as_copies(metrics, sides):
    learn = sides[0]

    def copied(noise, va):
        return learn.tensor((torch.arange(len(noise)) * 5) % len(learn))

    result, flags = metrics.compute(copied, 6)
    assert result["copies"] == 1
    assert "copies" in flags


def test_ignored_conditions_and_mode_collapse_are_flagged(metrics, sides):
    check = sides[1]
    codes_only, flags = metrics.compute(
        lambda noise, va: check.tensor((noise[:, 0].abs() * 1000).long() % len(check)), 6
    )
    assert codes_only["va_diversity"] == 0
    assert "ignores_va" in flags
    one = lambda noise, va: check.tensor([3]).expand(len(noise), -1, -1, -1)  # noqa: E731
    result, flags = metrics.compute(one, 6)
    assert result["latent_diversity"] == 0
    assert {"collapse", "ignores_va"} < set(flags)


def test_the_report_has_every_row_and_reasons_for_missing_values(material):
    evaluation = evaluate_landscapes(material, CPU, Silence(), EFFORT)
    report = evaluation.report
    assert (report["kind"], report["subject"], report["methods"]) == (
        "landscapes", "gan", ["gan", "warm"],
    )  # fmt: skip
    table = report["gan"]["acceptance"]
    assert [row["row"] for row in table] == sorted(row["row"] for row in table)
    assert {row["row"] for row in table} == set(range(1, 16))
    assert all((row["passed"] is None) == (row["why_null"] is not None) for row in table)
    assert report["gan"]["failed"] == sum(row["passed"] is False for row in table)
    share = next(row for row in table if row["row"] == 3)
    assert share["value"] == pytest.approx(
        report["gan"]["frechet_distance"] / report["warm"]["frechet_distance"], rel=1e-4
    )
    alone = next(row for row in report["warm"]["acceptance"] if row["row"] == 11)
    assert alone["why_null"] == "no other run was given to compare with"
    assert next(row for row in table if row["row"] == 12)["passed"] is True
    assert set(report["baselines"]) == {"one scene recoloured", "scenes recoloured"}
    assert report["baselines"]["one scene recoloured"]["failed"] > 0
    assert set(evaluation.sheets) == {"real", "gan", "warm"}
    assert evaluation.sheets["gan"].shape == (6 * 16, 12 * 16, 3)


def test_two_calls_agree(material):
    one, other = (evaluate_landscapes(material, CPU, Silence(), EFFORT).report for _ in range(2))
    assert one == other


def test_limits_for_photos_follow_their_own_correlations_and_ceiling(material, metrics, structure):
    report = evaluate_landscapes(replace(material, photos=True), CPU, Silence(), EFFORT).report
    assert report["limits"] == PHOTOS.name
    table = {row["measure"]: row for row in report["gan"]["acceptance"]}
    ceiling = report["ceiling"]["ccc_valence"]
    assert table["ccc_valence"]["limit"] == f">= {0.6 * ceiling:.3g}"
    assert table["valence_luma"]["limit"] == "> 0 as the photos"
    names = (
        "ccc_valence", "ccc_arousal", "mae_valence", "mae_arousal", "va_diversity", "copies",
        "latent_diversity", "red_flags", "gamma_max", "frechet_distance", "deterministic",
        "structure_ccc_valence", "structure_ccc_arousal", "structure_diversity",
    )  # fmt: skip
    result = dict.fromkeys((*metrics.correlations, *names), 1.0) | {"gamma_bound": None}
    still = replace(metrics, correlations=dict.fromkeys(metrics.correlations, 0.1))
    rows = {row.measure: row for row in acceptance(result, still, structure, PHOTOS, [])}
    assert rows["valence_luma"].passed is None
    assert rows["gamma_max"].why_null == "the units have no gamma"
    against = replace(metrics, correlations=dict.fromkeys(metrics.correlations, -0.5))
    rows = {row.measure: row for row in acceptance(result, against, structure, PHOTOS, [])}
    assert not rows["valence_luma"].passed


def test_limits_are_those_of_the_table(metrics, structure):
    result = {
        "ccc_valence": 0.8, "ccc_arousal": 0.69, "mae_valence": 0.1, "mae_arousal": 0.13,
        "frechet_distance": 1.0, "va_diversity": 0.7, "latent_diversity": 0.49, "red_flags": 1.0,
        "gamma_max": 2.7, "gamma_bound": 2.7, "copies": 0.02, "deterministic": True,
        "valence_luma": 0.95, "valence_chroma": 0.84, "valence_warmth": 0.85,
        "arousal_contrast": 0.85, "arousal_edges": 0.84, "structure_diversity": 0.59,
        "structure_ccc_valence": 0.2, "structure_ccc_arousal": 0.19,
    }  # fmt: skip
    ceiling = {"structure_ccc_valence": 0.4, "structure_ccc_arousal": 0.4}
    rows = acceptance(result, metrics, replace(structure, ceiling=ceiling), SMALL, [])
    assert {row.measure for row in rows if row.passed is False} == {
        "ccc_arousal", "mae_arousal", "latent_diversity", "red_flags", "valence_chroma",
        "arousal_edges", "structure_ccc_arousal", "structure_diversity",
    }  # fmt: skip
    hidden = replace(structure, ceiling=dict.fromkeys(ceiling, 0.1))
    rows = acceptance(result, metrics, hidden, SMALL, [])
    assert [row.passed for row in rows if row.row == 13] == [None, None]


def test_structure_is_what_no_recolouring_changes(sides):
    pictures = sides[1].tensor(range(8))
    grey = pictures.mean(dim=1, keepdim=True).expand_as(pictures)
    for changed in (0.5 * grey + 0.2, (0.9 * grey).sin()):
        apart = (equalised(changed) - equalised(grey)).abs().mean()
        assert apart < 0.03
    assert (equalised(pictures.flip(2)) - equalised(pictures)).abs().mean() > 0.2


def test_recoloured_scenes_win_by_colours_and_not_by_structure(metrics, structure, sides):
    learn = sides[0]
    pictures, va = learn.tensor(range(48)), learn.va_of(range(48))
    one, many = (Recolouring.fitted(pictures, va, some) for some in (pictures[:1], pictures))
    assert metrics.compute(many, 6)[0]["ccc_valence"] > 0.7
    drawn = structure.compute(lookup(sides), 6)
    flat, shuffled = structure.compute(one, 6), structure.compute(many, 6)
    assert flat["structure_diversity"] < 0.1
    assert abs(flat["structure_ccc_arousal"]) < 0.1
    assert drawn["structure_diversity"] > 0.6
    assert shuffled["structure_ccc_arousal"] < 0.5 * drawn["structure_ccc_arousal"]


def test_a_structure_evaluator_counts_the_kinds_that_are_drawn_at_one_mood(sides):
    torch.manual_seed(4)
    net = StructureEvaluator(StructureEvaluatorSpec(16, (6, 8), 3)).eval()
    structure = StructureMetrics.of(*sides, EFFORT, net)
    assert 1 <= structure.kinds <= 3
    still = structure.compute(lambda noise, va: sides[1].tensor([3]).expand(len(va), -1, -1, -1), 6)
    assert still["kinds_at_a_mood"] == pytest.approx(1 / structure.kinds)
    one, two = sides[1].tensor(range(4)), 0.3 * sides[1].tensor(range(4)) - 0.4
    assert (net(one).va - net(two).va).abs().max() < 0.1
    with pytest.raises(WeightsError, match="a structure evaluator"):
        StructureEvaluator.from_state({})


def test_the_page_is_one_file_with_verdicts_and_pictures(material):
    page = landscape_page(evaluate_landscapes(material, CPU, Silence(), EFFORT), "tm eval run")
    assert page.startswith("<!doctype html>")
    assert page.count("data:image/png;base64") == 3
    assert "failed" in page
    assert "not measured: no other run was given to compare with" in page
    assert "http" not in page
