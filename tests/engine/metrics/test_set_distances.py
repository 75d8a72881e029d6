"""Distances of portraits to real pictures, beside their floors."""

import numpy as np
import pytest

from engine.metrics.set_distances import RealSet, set_distances


@pytest.fixture
def rows():
    return np.random.default_rng(3).normal(size=(60, 5))


def test_samples_of_one_set_are_near_the_floor(rows):
    result = set_distances(rows[1::3], RealSet(rows, "net", "photos"))
    low, high = result["FD-net_floor_interval"]
    assert 0 < low < high
    assert result["FD-net"] < 2 * high


def test_a_shifted_set_is_above_the_floor(rows):
    real = RealSet(rows, "net", "photos")
    result = set_distances(rows[:20] + 2, real)
    assert (result["n"], result["against"]) == (20, "photos")
    assert result["FD-net"] > 5 * result["FD-net_floor"] > 0
    low, high = result["FD-net_floor_interval"]
    assert low < result["FD-net_floor"] < high < result["FD-net"]
    assert result["KD-net"] > result["KD-net_floor"]


def test_too_few_pictures_have_no_distance(rows):
    result = set_distances(rows[:3], RealSet(rows, "net", "photos"))
    assert result == {
        "n": 3,
        "against": "photos",
        "why_null": "3 portraits and 60 real pictures are too few",
    }
