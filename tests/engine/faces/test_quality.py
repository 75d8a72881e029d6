"""Every fault is measured and named; a good face passes."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from engine.faces.crop import crop_face
from engine.faces.detect import FaceFinder
from engine.faces.quality import QualityLimits, quality_faults, score_face
from engine.geometry.ffhq import quad_of
from engine.geometry.landmarks import flip

LIMITS = QualityLimits()


@pytest.fixture(scope="module")
def face():
    (face,) = FaceFinder().find(astronaut())
    return face


def scored(face, size=256, change=lambda crop: crop, **more):
    quad = quad_of(face.landmarks)
    crop = change(crop_face(astronaut(), quad, size))
    return score_face(crop, landmarks=face.landmarks, quad=quad, photo_size=(512, 512), **more)


@pytest.mark.parametrize("size", [256, 512, 1024])
def test_a_good_face_passes_at_every_size(face, size):
    scores = scored(face, size)
    assert quality_faults(scores, LIMITS) == []
    assert scores.side == pytest.approx(173, abs=5)
    assert scores.padding == 0


def test_sharpness_hardly_depends_on_the_size_of_the_file(face):
    small, large = scored(face, 256), scored(face, 1024)
    assert 0.6 < small.laplacian / large.laplacian < 1.6
    assert 0.8 < small.tenengrad / large.tenengrad < 1.25


def blurred(sigma):
    return lambda crop: cv2.GaussianBlur(crop, (0, 0), sigma)


def test_blur_needs_both_measures_low(face):
    scores = scored(face, change=blurred(4))
    (reason,) = quality_faults(scores, LIMITS)
    assert reason.startswith("blurry: Laplacian")
    assert "Tenengrad" in reason
    assert quality_faults(replace(scores, laplacian=500.0), LIMITS) == []
    assert quality_faults(replace(scores, tenengrad=9000.0), LIMITS) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda crop: (crop * 0.12).astype(np.uint8), "too dark"),
        (lambda crop: np.clip(crop * 3.0, 0, 255).astype(np.uint8), "too bright"),
        (lambda crop: (crop * 0.04 + 120).astype(np.uint8), "flat: contrast"),
        (lambda crop: np.repeat(crop[..., :1], 3, axis=2), "grey: colourise it first"),
    ],
)
def test_exposure_and_colour_faults_are_named(face, change, reason):
    faults = quality_faults(scored(face, change=change), LIMITS)
    assert any(one.startswith(reason) for one in faults)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"side": 90.0}, "too small: 90 px across, at least 128"),
        ({"yaw": -55.0}, "turned away: yaw -55 degrees, at most 40"),
        ({"padding": 0.5}, "cut off: 50% of the square lies outside the photo"),
        ({"profile": True}, "profile: seen from the side"),
        ({"gray": True}, "grey: colourise it first"),
    ],
)
def test_geometry_faults_are_named(face, fault, reason):
    assert quality_faults(replace(scored(face), **fault), LIMITS) == [reason]


def test_all_faults_are_reported_by_the_callers_limits(face):
    scores = replace(scored(face), side=50.0, gray=True, profile=True)
    assert len(quality_faults(scores, LIMITS)) == 3
    lenient = QualityLimits(min_side=40, allow_gray=True, allow_profiles=True)
    assert quality_faults(scores, lenient) == []


def test_without_a_source_unknown_scores_are_absent(face):
    scores = score_face(crop_face(astronaut(), quad_of(face.landmarks), 256))
    assert (scores.yaw, scores.padding, scores.side) == (None, None, None)
    assert quality_faults(scores, LIMITS) == []
    assert set(scores.dump()) == {"laplacian", "tenengrad", "brightness", "contrast", "crushed",
                                  "blown", "gray", "profile"}  # fmt: skip


def test_the_yaw_of_a_mirrored_face_is_mirrored(face):
    straight = scored(face)
    mirrored = score_face(
        crop_face(astronaut(), quad_of(face.landmarks), 256), landmarks=flip(face.landmarks, 512)
    )
    assert mirrored.yaw == pytest.approx(-straight.yaw, abs=0.01)
