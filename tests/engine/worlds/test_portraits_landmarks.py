"""Landmarks are truth: they stay on what is drawn, and dlib finds the faces where they are."""

import importlib.util
from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest

from engine.worlds.portraits import identity, render, scene

DARK_EYED = {"iris_light": -2.0, "iris_hue": -2.0}


def wild_portraits(count):
    """Portraits that are small, shifted, tilted and turned."""
    for seed in range(count):
        person = identity(seed).changed(**DARK_EYED)
        yield render(person, 18 + 2 * seed, scene(seed, pose=1.5, unaligned=1.0), 512)


def mask_of(points, shape):
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32).reshape(-1, 1, 2)], 255, shift=4)
    return mask > 0


@pytest.mark.parametrize("eye", [slice(36, 42), slice(42, 48)], ids=["left", "right"])
def test_the_dark_pupil_lies_within_the_eye(eye):
    for portrait in wild_portraits(25):
        points = portrait.landmarks[eye]
        width = np.ptp(points, 0).max()
        grey = cv2.cvtColor(portrait.picture, cv2.COLOR_RGB2GRAY)
        soft = cv2.GaussianBlur(grey, (0, 0), 0.08 * width)
        inside = mask_of(points, grey.shape)
        # The middle of the darkest tenth of the eye is its pupil, and it is near the eye's middle.
        rows, columns = np.nonzero(inside & (soft <= np.percentile(soft[inside], 10)))
        pupil = np.array([columns.mean(), rows.mean()])
        assert np.hypot(*(pupil - points.mean(0))) < 0.22 * width


def test_lips_are_redder_inside_the_lip_landmarks_than_around():
    for portrait in wild_portraits(25):
        lips = mask_of(portrait.landmarks[48:60], (512, 512))
        lips &= ~mask_of(portrait.landmarks[60:68], (512, 512))
        reach = int(0.12 * np.ptp(portrait.landmarks[48:60, 0])) * 2 + 1
        around = cv2.dilate(lips.astype(np.uint8), np.ones((reach, reach))) > 0
        around &= ~mask_of(portrait.landmarks[48:60], (512, 512))
        red, green, _ = (portrait.picture[..., i].astype(float) + 1 for i in range(3))
        redness = red / green
        assert redness[lips].mean() > redness[around].mean()


def test_brow_landmarks_lie_on_dark_hairs():
    darker = []
    for seed in range(25):
        person = identity(seed).changed(hair_dark=2.0, melanin=-1.5, greying=-2.0)
        portrait = render(person, 25, scene(seed, unaligned=1.0), 512)
        grey = cv2.GaussianBlur(cv2.cvtColor(portrait.picture, cv2.COLOR_RGB2GRAY), (0, 0), 2)
        unit = np.hypot(*(portrait.landmarks[36:42].mean(0) - portrait.landmarks[42:48].mean(0)))
        down = portrait.landmarks[33] - portrait.landmarks[27]
        down = down / np.hypot(*down) * 0.14 * unit
        for place in (18, 19, 20, 23, 24, 25):
            here = portrait.landmarks[place]
            x, y = np.round(here).astype(int)
            below_x, below_y = np.round(here + down).astype(int)
            if max(x, y, below_x, below_y) < 512:
                darker.append(grey[y, x] < grey[below_y, below_x])
    assert np.mean(darker) > 0.9


def test_tilting_the_photograph_tilts_the_landmarks():
    person = identity(3)
    level, tilted = (render(person, 30, scene(21, pose=0.0, unaligned=u)) for u in (0.0, 1.0))
    roll = np.radians(tilted.truth["roll"])
    assert abs(roll) > 0.01

    def slope(portrait):
        across = portrait.landmarks[42:48].mean(0) - portrait.landmarks[36:42].mean(0)
        return np.arctan2(across[1], across[0])

    assert slope(level) == pytest.approx(0, abs=0.02)
    assert abs(slope(tilted)) == pytest.approx(abs(roll), abs=0.02)


@pytest.fixture(scope="module")
def predictor():
    # The package itself cannot be imported next to current setuptools; only its files are used.
    spec = importlib.util.find_spec("face_recognition_models")
    folder = Path(spec.submodule_search_locations[0]) / "models"
    return dlib.shape_predictor(str(folder / "shape_predictor_68_face_landmarks.dat"))


def best_box(detector, picture):
    for upsample in (0, 1):
        boxes, scores, _ = detector.run(picture, upsample, 0.0)
        if boxes:
            return boxes[int(np.argmax(scores))]
    return None


def test_dlib_finds_faces_and_landmarks_of_all_ages(predictor):
    detector = dlib.get_frontal_face_detector()
    ages = np.random.default_rng(0).uniform(5, 95, 400)
    errors = []
    for who, age in enumerate(ages):
        portrait = render(identity(who), age, scene(5000 + who))
        box = best_box(detector, portrait.picture)
        if box is None:
            continue
        found = np.array([(part.x, part.y) for part in predictor(portrait.picture, box).parts()])
        truth = portrait.landmarks
        eye_distance = np.hypot(*(truth[36:42].mean(0) - truth[42:48].mean(0)))
        errors.append(np.hypot(*(found - truth).T).mean() / eye_distance)
    assert len(errors) >= 0.99 * len(ages)
    assert np.mean(errors) <= 0.08
