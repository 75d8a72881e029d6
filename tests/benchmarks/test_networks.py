import numpy as np
import pytest
from evaluation.networks import (
    evaluate_age,
    evaluate_identity,
    evaluate_landmarks,
    evaluate_recognition,
)

from engine.metrics.strata import Stratum

PEOPLE, SCENES, AGES = 8, 2, (10.0, 30.0, 80.0)


@pytest.fixture
def pictures():
    """Person, scene and age of every picture, and its stratum."""
    shape = PEOPLE, SCENES, len(AGES)
    people, scenes, ages = (place.ravel() for place in np.indices(shape))
    strata = [Stratum("", "male", "dark" if person % 2 else "light") for person in people]
    return people, people * 1000 + scenes, np.array(AGES)[ages], strata


def values(evaluation):
    return {metric.name: metric.value for metric in evaluation.metrics}


def passed(evaluation):
    return [metric.passed for metric in evaluation.metrics if metric.passed is not None]


def test_embeddings_of_the_person_pass(pictures, rng):
    people, scenes, ages, strata = pictures
    centres = rng.normal(size=(PEOPLE, 16))
    result = evaluate_identity(centres[people], people, scenes, ages, strata)
    assert set(values(result).values()) == {1.0}
    assert passed(result) == [True, True]


def test_embeddings_of_chance_fail(pictures, rng):
    people, scenes, ages, strata = pictures
    result = evaluate_identity(rng.normal(size=(len(people), 16)), people, scenes, ages, strata)
    assert passed(result) == [False, False]
    assert values(result)["identity AUC, all gaps"] == pytest.approx(0.5, abs=0.12)


def test_embeddings_of_the_photograph_do_not_count_as_identity(pictures, rng):
    people, scenes, ages, strata = pictures
    views = rng.normal(size=(scenes.max() + 1, 16))
    result = evaluate_identity(views[scenes], people, scenes, ages, strata)
    assert values(result)["identity AUC, all gaps"] < 0.8


def test_embeddings_of_the_age_are_best_within_small_gaps(pictures, rng):
    people, scenes, ages, strata = pictures
    centres = rng.normal(size=(PEOPLE, 16))
    drift = np.where(ages > 60, 6.0, 0.0)[:, None] * rng.normal(size=16)
    result = evaluate_identity(centres[people] + drift, people, scenes, ages, strata)
    metrics = values(result)
    assert metrics["identity AUC, gap <= 30 y"] > metrics["identity AUC, all gaps"]


def test_impostors_of_the_same_sex_and_skin_are_harder(pictures, rng):
    people, scenes, ages, strata = pictures
    embeddings = rng.normal(size=(2, 16))[people % 2] * 2 + rng.normal(size=(PEOPLE, 16))[people]
    noisy = embeddings + rng.normal(size=embeddings.shape)
    metrics = values(evaluate_identity(noisy, people, scenes, ages, strata))
    assert (
        metrics["identity AUC, impostors of the same sex and skin"]
        < metrics["identity AUC, all gaps"]
    )


def test_the_goal_of_an_age_network_is_five_years():
    ages, people = np.arange(10.0, 90.0), np.arange(80)
    assert passed(evaluate_age(ages, ages + 4.9, people, name="net")) == [True]
    late = evaluate_age(ages, ages + 5.1, people, name="net")
    assert passed(late) == [False]
    assert values(late)["net: bias in years"] == pytest.approx(5.1)
    assert [row["pictures"] for row in late.tables["net by age"]] == [10] * 8


def test_landmarks_are_measured_in_eye_distances(photographs):
    truths = photographs[0].points[:, 1]
    people = np.arange(len(truths))
    assert values(evaluate_landmarks(truths, truths, people)).popitem()[1] == 0
    off = evaluate_landmarks(truths + np.array([3, 0]), truths, people)
    assert passed(off) == [False]
    # The eyes of a face are about a fifth of 96 px apart.
    assert off.metrics[0].value == pytest.approx(3 / (96 / 5), rel=0.3)


def test_a_network_of_colours_fails_in_grey_and_on_mosaics(pictures, rng):
    people, scenes, _, _ = pictures
    known, noise = rng.normal(size=(PEOPLE, 16))[people], rng.normal(size=(len(people), 16))
    seen = evaluate_recognition({"colour": known, "grey": known, "mosaic": noise}, people, scenes)
    blind = evaluate_recognition({"colour": known, "grey": noise, "mosaic": known}, people, scenes)
    assert all(passed(seen))
    assert passed(blind) == [True, True, False, False, False, False]
    assert blind.metrics[0].interval == (1, 1, 1)


def test_verification_with_everybody_drawn_once_is_that_of_the_pairs(pictures, rng):
    people, scenes, ages, strata = pictures
    loose = rng.normal(size=(PEOPLE, 8))[people] + rng.normal(size=(len(people), 8))
    views = dict.fromkeys(("colour", "grey", "mosaic"), loose)
    ours = values(evaluate_recognition(views, people, scenes))
    pairs = values(evaluate_identity(loose, people, scenes, ages, strata))
    assert ours["identity AUC, colour"] == pytest.approx(pairs["identity AUC, all gaps"])
    rate = "identity: true accept rate at FAR 0.001"
    assert ours[f"{rate}, colour"] == pytest.approx(pairs[rate], abs=0.03)
