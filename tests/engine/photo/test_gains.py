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

AGES = np.array([35.0, 50.0, 65.0, 42.0, 57.0, 72.0])


@pytest.fixture(scope="module")
def people(model):
    """Six people, half of either appearance, whose skin roughens with age."""
    subjects = []
    for number in range(len(AGES)):
        pixels, points = drawn_portrait(seed=number)
        code = -0.9 if number < 3 else 0.9
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


@pytest.fixture(scope="module")
def calibrated(people, model):
    """The model as an estimator wants it that sees roughness alone, a year for a year."""
    return calibrate_gains(model, people, AGES, ages_by(people, 1.0), targets=(30, 80))


def test_the_part_that_is_seen_is_the_one_that_grows(calibrated):
    assert calibrated.gain.shape == SHAPES["gain"]
    parts = calibrated.gains(True, 0.0)
    assert parts["detail"] > 2
    assert parts["detail"] == max(parts.values())
    assert parts["hair"] == 1
    most = np.array([MOST[part] for part in PARTS]).T
    assert (calibrated.gain <= most[..., None]).all()


@pytest.mark.parametrize(("slope", "own"), [(0.01, None), (1.0, np.full(2, 0.01))])
def test_an_estimator_that_sees_enough_asks_for_no_more(people, model, calibrated, slope, own):
    """Its slope is measured on these people, or was elsewhere."""
    estimator = ages_by(people, slope)
    seen = calibrate_gains(model, people, AGES, estimator, targets=(30, 80), own=own)
    assert seen.gains(True, 0.0)["detail"] < calibrated.gains(True, 0.0)["detail"]
    if own is None:
        # Even grain, all there is of detail here, hardly grows at a gain of 1: it needs some more.
        others = [PARTS.index(part) for part in PARTS if part != "detail"]
        assert seen.gain[:, others] == pytest.approx(np.ones((2, len(others), 2)), abs=0.3)


def test_the_same_people_give_the_same_gains(people, model, calibrated):
    again = calibrate_gains(model, people, AGES, ages_by(people, 1.0), targets=(30, 80))
    assert np.array_equal(calibrated.gain, again.gain)


def test_gains_need_people_of_both_appearances(people, model):
    with pytest.raises(ValueError, match="either side"):
        calibrate_gains(model, people[:4], AGES[:4], roughness)


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
