import numpy as np
import pytest
from evaluation.networks import examine_age, examine_identity, examine_landmarks

from engine.metrics.strata import Stratum

PEOPLE, SCENES, AGES = 8, 2, (10.0, 30.0, 80.0)


@pytest.fixture
def pictures():
    """Person, scene and age of every picture, and its stratum."""
    shape = PEOPLE, SCENES, len(AGES)
    people, scenes, ages = (place.ravel() for place in np.indices(shape))
    strata = [Stratum("", "male", "dark" if person % 2 else "light") for person in people]
    return people, people * 1000 + scenes, np.array(AGES)[ages], strata


def values(examined):
    return {figure.name: figure.value for figure in examined.figures}


def verdicts(examined):
    return [figure.passed for figure in examined.figures if figure.passed is not None]


def test_embeddings_that_name_the_person_pass(pictures, rng):
    people, scenes, ages, strata = pictures
    centres = rng.normal(size=(PEOPLE, 16))
    told = examine_identity(centres[people], people, scenes, ages, strata)
    assert set(values(told).values()) == {1.0}
    assert verdicts(told) == [True, True]


def test_embeddings_of_chance_fail(pictures, rng):
    people, scenes, ages, strata = pictures
    told = examine_identity(rng.normal(size=(len(people), 16)), people, scenes, ages, strata)
    assert verdicts(told) == [False, False]
    assert values(told)["identity AUC, all gaps"] == pytest.approx(0.5, abs=0.12)


def test_embeddings_of_the_photograph_do_not_count_as_identity(pictures, rng):
    people, scenes, ages, strata = pictures
    views = rng.normal(size=(scenes.max() + 1, 16))
    told = examine_identity(views[scenes], people, scenes, ages, strata)
    assert values(told)["identity AUC, all gaps"] < 0.8


def test_embeddings_of_the_age_are_best_within_small_gaps(pictures, rng):
    people, scenes, ages, strata = pictures
    centres = rng.normal(size=(PEOPLE, 16))
    drift = np.where(ages > 60, 6.0, 0.0)[:, None] * rng.normal(size=16)
    told = examine_identity(centres[people] + drift, people, scenes, ages, strata)
    found = values(told)
    assert found["identity AUC, gap <= 30 y"] > found["identity AUC, all gaps"]


def test_strangers_of_the_same_sex_and_skin_are_harder(pictures, rng):
    people, scenes, ages, strata = pictures
    looks = rng.normal(size=(2, 16))[people % 2] * 2 + rng.normal(size=(PEOPLE, 16))[people]
    noisy = looks + rng.normal(size=looks.shape)
    found = values(examine_identity(noisy, people, scenes, ages, strata))
    assert found["identity AUC, alike strangers"] < found["identity AUC, all gaps"]


def test_an_age_net_is_held_to_five_years():
    ages, people = np.arange(10.0, 90.0), np.arange(80)
    assert verdicts(examine_age(ages, ages + 4.9, people, name="net")) == [True]
    late = examine_age(ages, ages + 5.1, people, name="net")
    assert verdicts(late) == [False]
    assert values(late)["net: bias in years"] == pytest.approx(5.1)
    assert [row["pictures"] for row in late.tables["net by age"]] == [10] * 8


def test_landmarks_are_measured_in_eye_distances(photographs):
    truths = photographs[0].points[:, 1]
    people = np.arange(len(truths))
    assert values(examine_landmarks(truths, truths, people)).popitem()[1] == 0
    off = examine_landmarks(truths + np.array([3, 0]), truths, people)
    assert verdicts(off) == [False]
    # The eyes of a face are about a fifth of 96 px apart.
    assert off.figures[0].value == pytest.approx(3 / (96 / 5), rel=0.3)
