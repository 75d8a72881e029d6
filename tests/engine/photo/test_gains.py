"""Gains: an estimator that sees only one thing decides how strongly that thing is applied."""

import dataclasses

import numpy as np
import pytest

from engine.photo.ageing import age_subject
from engine.photo.features import lab_of
from engine.photo.gains import MOST, calibrate_gains
from engine.photo.model import PARTS, SHAPES
from engine.photo.subject import prepare_subject
from tests.engine.photo.conftest import drawn_portrait

AGES = np.array([35.0, 45.0, 55.0, 65.0, 42.0, 52.0, 62.0, 72.0])


@pytest.fixture(scope="module")
def people(model):
    """Eight people, half of either appearance, whose skin roughens with age."""
    subjects = []
    for number in range(len(AGES)):
        pixels, points = drawn_portrait(seed=number)
        code = -0.9 if number < 4 else 0.9
        subjects.append(prepare_subject(pixels, points, model, appearance=code))
    return subjects


def roughness(pixels, points):
    """Detail of the cheeks: what this estimator takes for age."""
    x, y = np.round(points[[2, 31]].mean(axis=0)).astype(int)
    light = lab_of(pixels.astype(np.float32))[y - 12 : y + 13, x - 10 : x + 11, 0]
    return float(np.abs(np.diff(light, axis=1)).mean())


def ages_by(people, slope):
    """An estimator with a slope of its own on true ages, that sees roughness in what is made."""
    plain = {id(p.pixels): age for p, age in zip(people, AGES, strict=True)}
    base = roughness(
        people[0].pixels, people[0].view.to_frame.inverse().points(people[0].view.points[:68])
    )

    def years(pixels, points):
        if id(pixels) in plain:
            return slope * plain[id(pixels)]
        return slope * 55 + 60 * (roughness(pixels, points) - base)

    return years


def test_the_part_that_is_seen_is_the_one_that_grows(people, model):
    calibrated = calibrate_gains(model, people, AGES, ages_by(people, 1.0), targets=(30, 80))
    assert calibrated.gain.shape == SHAPES["gain"]
    gains = calibrated.gains(True, 0.0)
    assert gains["detail"] > 2
    assert gains["detail"] == max(gains.values())
    assert gains["hair"] == 1
    again = calibrate_gains(model, people, AGES, ages_by(people, 1.0), targets=(30, 80))
    assert np.array_equal(calibrated.gain, again.gain)
    assert (calibrated.gain <= np.array(list(MOST.values()))[:, None]).all()


def test_an_estimator_that_sees_enough_asks_for_no_more(people, model):
    seen = calibrate_gains(model, people, AGES, ages_by(people, 0.01), targets=(30, 80))
    assert seen.gain == pytest.approx(np.ones(SHAPES["gain"]), abs=0.6)


def test_a_slope_measured_elsewhere_is_the_one_that_is_reached(people, model):
    estimator = ages_by(people, 1.0)
    less = calibrate_gains(model, people, AGES, estimator, targets=(30, 80), own=np.full(2, 0.01))
    more = calibrate_gains(model, people, AGES, estimator, targets=(30, 80), own=np.full(2, 1.0))
    assert less.gains(True, 0.0)["detail"] < more.gains(True, 0.0)["detail"]


def test_gains_need_people_of_both_appearances(people, model):
    with pytest.raises(ValueError, match="either side"):
        calibrate_gains(model, people[:5], AGES[:5], roughness)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_has_a_gain_of_its_own(part, model, portrait):
    pixels, points = portrait
    gain = np.zeros(SHAPES["gain"], np.float32)
    nothing = prepare_subject(pixels, points, dataclasses.replace(model, gain=gain.copy()))
    assert np.abs(age_subject(nothing, 40, 75).astype(int) - pixels).max() <= 1
    gain[0, PARTS.index(part)] = 2.0
    alone = dataclasses.replace(nothing, model=dataclasses.replace(model, gain=gain))
    assert np.abs(age_subject(alone, 40, 75).astype(int) - pixels).max() > 2
    assert np.abs(age_subject(alone, 75, 40).astype(int) - pixels).max() <= 1
