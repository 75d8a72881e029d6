"""The quad is FFHQ's own, and the maps between it and the unit square are exact inverses."""

import numpy as np
import pytest

from engine.geometry.ffhq import Quad, is_aligned, quad_of
from engine.geometry.landmarks import LEFT_EYE, RIGHT_EYE


def published_quad(lm):
    """The lines of FFHQ's `download_ffhq.py`, `recreate_aligned_images`, word for word."""
    eye_left = np.mean(lm[36:42], axis=0)
    eye_right = np.mean(lm[42:48], axis=0)
    eye_avg = (eye_left + eye_right) * 0.5
    eye_to_eye = eye_right - eye_left
    mouth_avg = (lm[48] + lm[54]) * 0.5
    eye_to_mouth = mouth_avg - eye_avg
    x = eye_to_eye - np.flipud(eye_to_mouth) * [-1, 1]
    x /= np.hypot(*x)
    x *= max(np.hypot(*eye_to_eye) * 2.0, np.hypot(*eye_to_mouth) * 1.8)
    y = np.flipud(x) * [-1, 1]
    c = eye_avg + eye_to_mouth * 0.1
    return np.stack([c - x - y, c - x + y, c + x + y, c + x - y]), np.hypot(*x) * 2


def face(drop=1.1, distance=50.0, angle=0.0, at=(300, 200)):
    points = np.zeros((68, 2))
    points[LEFT_EYE] = [-0.5, 0]
    points[RIGHT_EYE] = [0.5, 0]
    points[48], points[54] = [-0.4, drop], [0.4, drop]
    turn = np.radians(angle)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (points * distance) @ spin.T + at


@pytest.mark.parametrize("seed", list(range(20)))
def test_the_quad_equals_the_published_one(seed):
    points = np.random.default_rng(seed).uniform(0, 500, (68, 2))
    corners, side = published_quad(points)
    quad = quad_of(points)
    np.testing.assert_allclose(quad.corners, corners)
    assert quad.side == pytest.approx(side)


def test_corners_run_from_top_left_through_bottom_left():
    quad = quad_of(face())
    left, top = quad.corners.min(axis=0)
    right, bottom = quad.corners.max(axis=0)
    np.testing.assert_allclose(
        quad.corners, [[left, top], [left, bottom], [right, bottom], [right, top]]
    )


@pytest.mark.parametrize("angle", [-170, -90, -20, 0, 33, 90])
def test_the_quad_rotates_with_the_face(angle):
    assert quad_of(face(angle=angle)).angle == pytest.approx(angle)


def test_the_maps_undo_each_other():
    quad = quad_of(face(angle=25))
    unit = np.random.default_rng(0).uniform(-1, 2, (50, 2))
    np.testing.assert_allclose(quad.unit_points(quad.source_points(unit)), unit, atol=1e-12)
    corners = quad.source_points([[0, 0], [0, 1], [1, 1], [1, 0]])
    np.testing.assert_allclose(corners, quad.corners)


def test_scaling_keeps_pixel_edges_on_edges():
    frame = Quad.frame(200, 100).scaled(0.5)
    np.testing.assert_allclose(frame.corners, Quad.frame(100, 50).corners)


def test_moving_moves_every_corner():
    np.testing.assert_allclose(
        Quad.frame(4, 4).moved(10, 20).corners, Quad.frame(4, 4).corners + np.array([10, 20])
    )


def test_the_difference_has_the_units_it_claims():
    quad = quad_of(face(distance=50))
    other = quad_of(face(distance=55, angle=2.0, at=(310, 200)))
    gap = other.against(quad)
    assert gap.side == pytest.approx(0.1)
    assert gap.angle == pytest.approx(2.0)
    assert quad.moved(0.01 * quad.side, 0).against(quad).centre == pytest.approx(0.01)


def test_angles_are_compared_around_the_circle():
    gap = quad_of(face(angle=179)).against(quad_of(face(angle=-179)))
    assert gap.angle == pytest.approx(-2.0)


def test_a_face_put_on_the_template_counts_as_aligned_and_others_do_not():
    quad = quad_of(face(angle=12))
    aligned = Quad.frame(256, 256).source_points(quad.unit_points(face(angle=12)))
    assert is_aligned(aligned, 256)
    assert not is_aligned(aligned + 15, 256)
    assert not is_aligned(aligned * 0.9 + 12.8, 256)


def test_a_quad_is_read_only_and_refuses_nonsense():
    quad = Quad.frame(4, 4)
    with pytest.raises(ValueError, match="read-only"):
        quad.corners[0, 0] = 3
    with pytest.raises(ValueError, match="4 finite x, y corners"):
        Quad.of([[0, 0], [1, 1]])
    with pytest.raises(ValueError, match="4 finite x, y corners"):
        Quad.of([[0, 0], [0, np.nan], [1, 1], [1, 0]])
    with pytest.raises(ValueError, match="fall together"):
        quad_of(np.zeros((68, 2)))
