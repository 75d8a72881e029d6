"""The 68 indices mean what 300-W says, and pose comes out of them with the right sign."""

import numpy as np
import pytest

from engine.geometry import landmarks as lm


def head(yaw=0.0, roll=0.0, distance=60.0):
    """A symmetric head in three dimensions, rotated, then projected under weak perspective.

    Only the points used by the estimates are placed with care: eyes, nose tip, mouth corners.
    """
    rng = np.random.default_rng(0)
    points = rng.normal(size=(68, 3)) * 0.1
    points[lm.LEFT_EYE] += [-0.5, 0, 0] - points[lm.LEFT_EYE].mean(0)
    points[lm.RIGHT_EYE] += [0.5, 0, 0] - points[lm.RIGHT_EYE].mean(0)
    points[lm.NOSE_TIP] = [0, 0.6, lm.NOSE_DEPTH]
    points[lm.LEFT_MOUTH_CORNER] = [-0.4, 1.1, 0]
    points[lm.RIGHT_MOUTH_CORNER] = [0.4, 1.1, 0]
    turn, tilt = np.radians(yaw), np.radians(roll)
    x = points[:, 0] * np.cos(turn) + points[:, 2] * np.sin(turn)
    flat = np.stack([x, points[:, 1]], axis=1) * distance
    spin = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    return flat @ spin.T + 200


def test_the_parts_cover_all_68_points_once():
    parts = [lm.JAW, lm.LEFT_BROW, lm.RIGHT_BROW, lm.NOSE_BRIDGE, lm.NOSE_BASE, lm.LEFT_EYE,
             lm.RIGHT_EYE, lm.OUTER_MOUTH, lm.INNER_MOUTH]  # fmt: skip
    indices = np.concatenate([np.arange(lm.COUNT)[part] for part in parts])
    assert indices.tolist() == list(range(68))


def test_eye_centres_distance_and_mouth_centre():
    points = head(distance=60.0)
    pair = lm.eyes(points)
    np.testing.assert_allclose(pair.left, [170, 200], atol=1e-9)
    np.testing.assert_allclose(pair.right, [230, 200], atol=1e-9)
    assert pair.distance == pytest.approx(60)
    np.testing.assert_allclose(lm.mouth_centre(points), [200, 266], atol=1e-9)


@pytest.mark.parametrize("yaw", [-60, -35, -10, 0, 10, 35, 60])
@pytest.mark.parametrize("roll", [-30, 0, 20])
def test_yaw_and_roll_are_recovered(yaw, roll):
    points = head(yaw, roll)
    assert lm.yaw(points) == pytest.approx(yaw, abs=0.01)
    assert lm.roll(points) == pytest.approx(roll, abs=0.01)


def test_points_fallen_together_count_as_a_full_profile():
    assert lm.yaw(np.zeros((68, 2))) == 90.0


def test_flipping_twice_changes_nothing_and_keeps_left_on_the_left():
    points = head(yaw=20, roll=5)
    mirrored = lm.flip(points, width=400)
    assert lm.eyes(mirrored).left[0] < lm.eyes(mirrored).right[0]
    assert lm.yaw(mirrored) == pytest.approx(-20, abs=0.01)
    assert lm.roll(mirrored) == pytest.approx(-5, abs=0.01)
    np.testing.assert_allclose(lm.flip(mirrored, width=400), points)


def test_the_flip_maps_each_part_onto_its_mirror():
    pairs = {0: 16, 8: 8, 17: 26, 21: 22, 27: 27, 31: 35, 33: 33, 36: 45, 39: 42, 37: 44, 41: 46,
             48: 54, 51: 51, 57: 57, 59: 55, 60: 64, 62: 62, 66: 66, 67: 65}  # fmt: skip
    assert {k: int(lm.FLIP[k]) for k in pairs} == pairs
    assert sorted(lm.FLIP) == list(range(68))


def test_the_mean_error_is_in_eye_distances():
    truth = head(distance=60)
    assert lm.mean_error(truth + np.array([3.0, 4.0]), truth) == pytest.approx(5 / 60)
