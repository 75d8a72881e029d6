"""Detected faces of the portrait world against its true landmarks."""

import numpy as np
import pytest

from engine.faces.detect import FaceFinder
from engine.geometry.ffhq import quad_of
from engine.geometry.landmarks import mean_error
from engine.worlds.portraits import identity, render, scene
from engine.worlds.portraits.seeds import TEST_START, scene_seed

PEOPLE = 400
AGES = np.linspace(5, 95, PEOPLE)


@pytest.fixture(scope="module")
def pairs():
    """(true points, fitted points or None) of 400 people at ages 5 to 95, 256 px."""
    finder, pairs = FaceFinder(), []
    for number, age in enumerate(AGES):
        person = TEST_START + 1_000 + number
        portrait = render(identity(person), float(age), scene(scene_seed(person, 0)), 256)
        faces = finder.find(portrait.picture, every=False)
        pairs.append((portrait.landmarks, faces[0].landmarks if faces else None))
    return pairs


def test_dlib_detects_nearly_every_portrait(pairs):
    assert np.mean([points is not None for _, points in pairs]) >= 0.99


def test_its_68_points_lie_where_they_are_drawn(pairs):
    errors = [mean_error(points, truth) for truth, points in pairs if points is not None]
    assert np.mean(errors) <= 0.08


def test_alignment_by_fitted_points_is_alignment_by_true_points(pairs):
    gaps = [
        quad_of(points).against(quad_of(truth)) for truth, points in pairs if points is not None
    ]
    close = [gap.centre <= 0.02 and abs(gap.angle) <= 3.0 for gap in gaps]
    assert np.mean(close) >= 0.95
