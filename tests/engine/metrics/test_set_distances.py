"""Distances of portraits to real pictures, beside their floors."""

import numpy as np
import pytest

from engine.metrics.set_distances import RealSet, set_distances


@pytest.fixture
def rows():
    return np.random.default_rng(3).normal(size=(60, 5))


def test_a_distance_within_the_floor_is_the_draw_of_one_set(rows):
    told = set_distances(rows[1::3], RealSet(rows, "net", "photos"))
    low, high = told["FD-net_floor_interval"]
    assert 0 < low < high
    assert told["FD-net"] < 2 * high


def test_sets_of_one_size_stand_beside_their_floor(rows):
    real = RealSet(rows, "net", "photos")
    told = set_distances(rows[:20] + 2, real)
    assert (told["n"], told["against"]) == (20, "photos")
    assert told["FD-net"] > 5 * told["FD-net_floor"] > 0
    low, high = told["FD-net_floor_interval"]
    assert low < told["FD-net_floor"] < high < told["FD-net"]
    assert told["KD-net"] > told["KD-net_floor"]


def test_a_handful_of_pictures_is_no_set(rows):
    told = set_distances(rows[:3], RealSet(rows, "net", "photos"))
    assert told == {
        "n": 3,
        "against": "photos",
        "why_null": "3 portraits and 60 real pictures are too few",
    }
