"""Strangers are flagged among one person's photos, few or many, and never everybody."""

import numpy as np
import pytest

from engine.faces.outliers import find_impostors


def person(rng, count, spread=0.25):
    """Descriptors around one point, as dlib scatters photos of a person: norm near 1.4."""
    centre = rng.normal(size=128)
    centre *= 1.4 / np.linalg.norm(centre)
    scatter = rng.normal(size=(count, 128))
    scatter *= spread * rng.uniform(0.7, 1.3, (count, 1)) / np.linalg.norm(scatter, axis=1)[:, None]
    return (centre + scatter).astype(np.float32)


@pytest.mark.parametrize(("own", "others"), [(5, 1), (6, 2), (40, 3), (300, 60), (5000, 100)])
def test_only_impostors_are_flagged(own, others):
    rng = np.random.default_rng(own)
    impostor_rows = np.concatenate([person(rng, 1) for _ in range(others)])
    mixed = np.concatenate([impostor_rows[:1], person(rng, own), impostor_rows[1:]])
    impostors = find_impostors(mixed)
    assert np.flatnonzero(impostors.flags).tolist() == [0, *range(own + 1, own + others)]
    assert impostors.distances.shape == (own + others,)


def test_a_person_alone_has_no_impostors():
    rng = np.random.default_rng(0)
    for count in (1, 2, 4, 5, 50, 500):
        assert not find_impostors(person(rng, count)).flags.any()


def test_identical_photos_are_no_impostors():
    one = person(np.random.default_rng(0), 1)
    assert not find_impostors(np.repeat(one, 30, axis=0)).flags.any()


def test_a_crowd_of_different_people_is_never_flagged_whole():
    rng = np.random.default_rng(1)
    crowd = np.concatenate([person(rng, 1) for _ in range(60)])
    assert find_impostors(crowd).flags.mean() <= 0.5


def test_a_wide_spread_widens_the_limit():
    rng = np.random.default_rng(2)
    narrow, wide = find_impostors(person(rng, 80, 0.2)), find_impostors(person(rng, 80, 0.55))
    assert narrow.limit == pytest.approx(0.5)
    assert wide.limit > 0.6
    assert not wide.flags.any()


def test_too_few_photos_cannot_outvote_anyone():
    rng = np.random.default_rng(3)
    assert not find_impostors(np.concatenate([person(rng, 3), person(rng, 1)])).flags.any()
