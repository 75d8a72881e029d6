import cv2
import numpy as np
import pytest

from engine.photo.frame import (
    EYE_DISTANCE,
    EYES_AT,
    aligned,
    coordinate_map,
    extended,
    identity_map,
    mean_shape,
    mirrored,
    sampled,
    similarity,
)


def smooth_picture(model):
    x, y = identity_map().transpose(2, 0, 1)
    return (100 + 40 * np.sin(x / 17) + 30 * np.cos(y / 23)).astype(np.float32)


def test_a_shape_onto_itself_moves_nothing(model):
    assert (
        np.abs(coordinate_map(model.mean_points, model.mean_points) - identity_map()).max() < 1e-3
    )


def test_there_and_back_is_the_picture(model):
    moved = model.mean_points + np.random.default_rng(0).normal(0, 2, (73, 2)).astype(np.float32)
    picture = smooth_picture(model)
    there = sampled(picture, coordinate_map(moved, model.mean_points), cubic=True)
    back = sampled(there, coordinate_map(model.mean_points, moved), cubic=True)
    inside = (slice(40, 280), slice(40, 216))
    assert np.abs(there - picture)[inside].max() > 5
    assert np.abs(back - picture)[inside].mean() < 0.4


def test_landmarks_land_on_the_mean_shape(model):
    moved = model.mean_points + np.float32([3, -2])
    where = coordinate_map(model.mean_points, moved)
    for x, y in model.mean_points[[30, 8, 36, 54]]:
        assert where[round(float(y)), round(float(x))] == pytest.approx((x + 3, y - 2), abs=0.8)


def test_a_similarity_is_recovered(model):
    angle, scale = 0.3, 1.7
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    photo = model.mean_points @ turn.T + [400, 90]
    back = similarity(photo, model.mean_points)
    assert back.scale == pytest.approx(1 / scale, rel=1e-4)
    assert back.points(photo) == pytest.approx(model.mean_points, abs=1e-2)
    assert back.inverse().points(model.mean_points) == pytest.approx(photo, abs=0.05)


def test_the_mean_shape_is_symmetric_and_in_its_seat(portrait):
    faces = np.stack([extended(portrait[1] * factor + factor) for factor in (0.5, 1.0, 3.0)])
    mean = mean_shape(faces)
    assert mirrored(mean) == pytest.approx(mean, abs=1e-3)
    left, right = mean[36:42].mean(axis=0), mean[42:48].mean(axis=0)
    assert right[0] - left[0] == pytest.approx(EYE_DISTANCE, rel=0.02)
    assert (left + right) / 2 == pytest.approx(EYES_AT, abs=0.5)


def test_large_photos_are_averaged_and_not_aliased(model, portrait):
    pixels, points = portrait
    noise = np.random.default_rng(1).integers(0, 255, (340 * 4, 260 * 4, 1)).astype(np.uint8)
    to_frame = similarity(points * 4 + 1.5, model.mean_points[:68])
    assert to_frame.scale < 0.3
    assert aligned(np.repeat(noise, 3, axis=2), to_frame)[100:200, 80:180].std() < 40
    big = cv2.resize(pixels, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
    small = aligned(pixels, similarity(points, model.mean_points[:68]))
    gap = np.abs(aligned(big, to_frame) - small)[60:260, 60:200].mean()
    assert gap < 3
