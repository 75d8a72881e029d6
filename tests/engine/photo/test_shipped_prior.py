"""The prior in the package: what its card says and which way its numbers point."""

from pathlib import Path

import numpy as np
import pytest

import engine.shipped
from engine.photo.ageing import age_photo, age_subject
from engine.photo.gains import MOST
from engine.photo.model import load_photo_model
from engine.photo.subject import prepare_subject
from engine.weights.native import read_card

SHIPPED = Path(engine.shipped.__file__).parent / "photo.safetensors"


@pytest.fixture(scope="module")
def shipped():
    return load_photo_model(SHIPPED)


def test_its_card_says_what_it_was_fitted_on():
    card = read_card(SHIPPED)["card"]
    assert {"what", "fitted_on", "people", "women", "ages", "command", "gain", "limits"} <= set(
        card
    )
    assert card["people"] == 517
    assert "public domain" in card["fitted_on"]
    assert SHIPPED.stat().st_size < 4 << 20


def test_faces_are_symmetric_and_their_parts_in_place(shipped):
    points = shipped.mean_points
    assert points[8, 1] > points[57, 1] > points[30, 1] > points[39, 1] > points[70, 1]
    assert points[36, 0] + points[45, 0] == pytest.approx(255, abs=0.5)


@pytest.mark.parametrize("code", [-1.0, 0.0, 1.0])
def test_hair_greys_and_skin_gains_detail_for_everyone(shipped, code):
    light = [shipped.hair_at(age, code)[0] for age in (40, 55, 70, 85)]
    assert np.diff(light).min() >= 0
    assert light[-1] > light[0] + 8  # women's less than men's: some dye theirs
    detail = shipped.difference("detail", 40, 75, code)[20:55, 18:46].mean(axis=(0, 1))
    assert detail[0] > 0.05
    assert abs(detail[3]) < detail[0]


@pytest.mark.parametrize("code", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("older", [True, False])
def test_parts_that_were_measured_keep_their_gain_and_others_are_bounded(shipped, older, code):
    gains = shipped.gains(older, code)
    assert gains["hair"] == 1
    for part, gain in gains.items():
        assert 1 <= gain <= MOST[part][0 if older else 1] * 1.001


@pytest.mark.parametrize("goals", [(57, 65, 75, 85), (57, 50, 40, 30)])
def test_more_years_change_more(shipped, portrait, goals):
    pixels, points = portrait
    subject = prepare_subject(pixels, points, shipped)
    changes = [np.abs(age_subject(subject, 57, goal).astype(int) - pixels).mean() for goal in goals]
    assert changes[0] == 0
    assert (np.diff(changes) > 0).all()


def test_a_drawn_face_ages_both_ways(shipped, portrait):
    pixels, points = portrait
    for goal in (35, 80):
        change = np.abs(age_photo(pixels, points, 57, goal, shipped).astype(int) - pixels)
        assert 0.3 < change.mean() < 20
