"""One face in the frames of a shot, by the shipped model."""

import numpy as np
import pytest

from engine.photo.ageing import age_change, age_offsets, age_subject, changed
from engine.photo.clip import (
    ShotLook,
    averaged_change,
    measured,
    prepare_frame,
    seen_planes,
    shared_change,
    shared_scale,
)
from engine.photo.frame import coordinate_map, steady_map, triangles_of
from engine.photo.model import load_photo_model
from engine.photo.subject import prepare_subject
from engine.weights.find import shipped_weights
from engine.worlds.portraits import identity, render, scene


@pytest.fixture(scope="module")
def model():
    return load_photo_model(shipped_weights()["photo"])


@pytest.fixture(scope="module")
def portrait():
    return render(identity(400_013), 40.0, scene(400_013, pose=0.3), 256)


def framed(model, picture, landmarks):
    """A frame that is a shot of its own, and the means of its measures."""
    person = np.ones(picture.shape[:2], np.float32)
    measures = measured(picture, landmarks, model, person)
    planes = seen_planes(picture, landmarks, model, person)
    return prepare_frame(picture, landmarks, model, planes, ShotLook.of(measures)), measures


def test_given_triangles_map_as_those_of_the_points_do_and_do_not_flip(model):
    mean = model.mean_points
    moved = mean + np.array([3.0, -2.0], np.float32)
    triangles = triangles_of(mean)
    there = steady_map(moved, mean, triangles)
    assert np.abs(there - coordinate_map(moved, mean)).mean() < 0.2
    shaken = moved + np.random.default_rng(0).normal(0, 0.05, moved.shape).astype(np.float32)
    assert np.abs(steady_map(shaken, mean, triangles) - there).max() < 1.5


def test_a_frame_of_a_shot_is_aged_as_its_photograph_is(model, portrait):
    subject, measures = framed(model, portrait.picture, portrait.landmarks)
    change = age_change(subject, 40.0, 70.0)
    shared = shared_change(subject, change, shared_scale(measures)).astype(np.float32)
    as_clip = changed(subject, averaged_change(subject, change.offsets, shared)).astype(int)
    person = np.ones(portrait.picture.shape[:2], np.float32)
    photo = prepare_subject(portrait.picture, portrait.landmarks, model, person=person)
    as_photo = age_subject(photo, 40.0, 70.0).astype(int)
    step = np.abs(as_photo - portrait.picture).mean()
    assert step > 1
    assert np.abs(as_clip - as_photo).mean() < 0.1 * step


def test_a_frame_takes_a_change_that_was_measured_beside_it(model, portrait):
    subject, measures = framed(model, portrait.picture, portrait.landmarks)
    change = age_change(subject, 40.0, 70.0)
    shared = shared_change(subject, change, shared_scale(measures))
    beside, _ = framed(model, portrait.picture, portrait.landmarks)
    offsets = age_offsets(beside, 40.0, 70.0)
    assert np.array_equal(offsets, change.offsets)
    made = changed(beside, averaged_change(beside, offsets, shared))
    assert np.array_equal(made, changed(subject, averaged_change(subject, offsets, shared)))
    measured_anew = {"lab", "bands", "layers", "creases", "blotches"} & set(vars(beside.work))
    assert not measured_anew


def test_grain_averages_out_of_what_changes(model, portrait):
    random = np.random.default_rng(0)
    scale, noisy = 1.0, []
    for _ in range(4):
        grain = random.normal(0, 6, portrait.picture.shape)
        frame = np.clip(portrait.picture + grain, 0, 255).astype(np.uint8)
        subject, _ = framed(model, frame, portrait.landmarks)
        noisy.append(shared_change(subject, age_change(subject, 40.0, 70.0), scale))
    each = np.stack(noisy).astype(np.float32)[..., :3]
    middle = np.s_[130:240, 70:190]
    apart = np.abs(each[:2].mean(axis=0) - each[2:].mean(axis=0))[middle].mean()
    assert apart < 0.85 * np.abs(each[0] - each[1])[middle].mean()
