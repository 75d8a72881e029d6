import numpy as np
import pytest

from engine.photo.wrinkles import (
    PATTERNS,
    ZONES,
    depth_at,
    line_field,
    missing_creases,
    pattern_of,
    zone_share,
)


def test_lines_deepen_with_age():
    for zone in ZONES.values():
        depths = [depth_at(zone, age) for age in (20, zone.begins, 60, 70, 80)]
        assert depths[:2] == [0, 0]
        assert np.diff(depths).min() >= 0
        assert depths[-1] == pytest.approx(zone.depth)


def test_lines_are_dark_thin_and_in_their_places(model):
    field = line_field(model.mean_points, (35, 80), np.ones((80, 64), np.float32))
    assert field.shape == (640, 512)
    assert field.min() < -4
    assert field.max() < -0.6 * field.min()
    # The tip of the nose and the eyes have none.
    for index in (30, 37, 44):
        x, y = np.round(model.mean_points[index] * 2).astype(int)
        assert np.abs(field[y - 3 : y + 4, x - 3 : x + 4]).max() < 1.5
    x, y = np.round((model.mean_points[36] - [12, 0]) * 2).astype(int)
    assert field[y - 20 : y + 20, x - 12 : x + 12].min() < -2


def test_younger_draws_no_lines_and_lifts_creases(model):
    assert not line_field(model.mean_points, (80, 35), np.ones((80, 64), np.float32)).any()
    assert zone_share(model.mean_points, (80, 35)).min() < -0.5
    assert zone_share(model.mean_points, (35, 80)).max() > 0.5


def test_creased_skin_gets_fewer_lines():
    expected = np.zeros((80, 64, 4), np.float32)
    own = expected.copy()
    own[:40] += 0.8
    room = missing_creases(own, expected, np.ones((80, 64), np.float32))
    assert room[10, 32] < room[70, 32]
    sharper = missing_creases(own + 0.7, expected, np.ones((80, 64), np.float32))
    assert sharper == pytest.approx(room, abs=1e-4)


def test_creases_are_broken_and_not_ruled(model):
    field = line_field(model.mean_points, (35, 80), np.ones((80, 64), np.float32))
    top, brow = model.mean_points[70, 1] * 2, model.mean_points[19:25, 1].mean() * 2
    forehead = field[int(top) + 10 : int(brow) - 10, 180:332]
    row = forehead[np.argmin(forehead.mean(axis=1))]
    assert row.std() > 0.4 * np.abs(row).mean()


def test_spots_come_late_and_stay_off_the_eyes(model):
    room = np.ones((80, 64), np.float32)
    early, late = (line_field(model.mean_points, ages, room) for ages in ((30, 36), (60, 85)))
    temple = np.s_[300:330, 120:400]
    assert np.abs(early).max() < 1
    x, y = np.round(model.mean_points[36:42].mean(axis=0) * 2).astype(int)
    assert np.abs(late[y - 6 : y + 7, x - 10 : x + 11]).max() < 1.5
    assert late[temple].min() < -1


def test_patterns_differ_and_each_face_has_one(model):
    room = np.ones((80, 64), np.float32)
    first, other, again = (
        line_field(model.mean_points, (35, 80), room, pattern=pattern) for pattern in (1, 2, 1)
    )
    assert np.array_equal(first, again)
    assert np.corrcoef(first.ravel(), other.ravel())[0, 1] < 0.8
    assert 0.7 < np.abs(other).sum() / np.abs(first).sum() < 1.4
    faces = np.random.default_rng(0).normal(0, 4, (40, 68, 2)) + model.mean_points[:68]
    patterns = [pattern_of(face) for face in faces]
    assert patterns == [pattern_of(face) for face in faces]
    assert set(patterns) == set(range(PATTERNS))


def test_a_neck_of_no_share_has_no_lines(model):
    room = np.ones((80, 64), np.float32)
    bare = line_field(model.mean_points, (35, 80), room, neck=0.0)
    usual = line_field(model.mean_points, (35, 80), room)
    below = int(model.mean_points[8, 1] + 12) * 2
    assert usual[below:].min() < -3
    assert np.abs(bare[below:]).max() < 0.5
    mouth = int(model.mean_points[48:60, 1].max()) * 2
    assert np.abs(bare[:mouth] - usual[:mouth]).max() < 0.1
