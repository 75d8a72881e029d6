"""The portrait world: what its three functions promise."""

import hashlib
import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace

import cv2
import numpy as np
import pytest

from engine.worlds.portraits import STYLE_TRAITS, VERSION, identity, render, scene, seeds
from engine.worlds.portraits import reference as references
from engine.worlds.portraits.palette import GREY_HAIR
from engine.worlds.portraits.traits import TRAITS

DIGEST = """
import hashlib
from engine.worlds.portraits import identity, render, scene
shots = [render(identity(s), 9.0 * s, scene(s, unaligned=s % 2), 128).picture for s in range(6)]
print(hashlib.sha256(b"".join(shot.tobytes() for shot in shots)).hexdigest())
"""


def fresh_process(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_portrait_is_a_picture_with_68_landmarks_and_its_truth():
    person, view = identity(5), scene(6)
    portrait = render(person, 33, view, 128)
    assert portrait.picture.shape == (128, 128, 3)
    assert portrait.picture.dtype == np.uint8
    assert portrait.landmarks.shape == (68, 2)
    assert portrait.landmarks.dtype == np.float32
    truth = json.loads(json.dumps(portrait.truth))
    assert (truth["seed"], truth["scene"], truth["age"], truth["size"]) == (5, 6, 33, 128)
    assert truth["style"] == pytest.approx(person.style)
    assert truth["sex"] == person.sex
    assert truth["yaw"] == view.yaw


def test_a_portrait_is_the_same_in_two_processes():
    assert fresh_process(DIGEST) == fresh_process(DIGEST)


def test_importing_the_world_makes_no_texture_and_is_light():
    code = """
import sys, time, numpy, cv2
start = time.perf_counter()
import engine.worlds.portraits
from engine.worlds.portraits import textures
spent = time.perf_counter() - start
made = textures.hair.cache_info().currsize + textures._tile.cache_info().currsize
print(made, "torch" in sys.modules, spent < 0.5)
"""
    assert fresh_process(code) == "0 False True"


def test_importing_the_world_leaves_opencv_threads_alone():
    code = """
import cv2
before = cv2.getNumThreads()
import engine.worlds.portraits
print(before == cv2.getNumThreads())
"""
    assert fresh_process(code) == "True"


def test_people_and_scenes_cannot_be_changed_by_accident():
    person = identity(1)
    with pytest.raises(ValueError, match="read-only"):
        person.vector[0] = 1
    with pytest.raises(FrozenInstanceError):
        scene(1).yaw = 3.0


def test_traits_are_standard_and_cut_at_two():
    vectors = np.stack([identity(seed).vector for seed in range(800)])
    assert np.abs(vectors).max() <= 2
    for trait in STYLE_TRAITS:
        values = vectors[:, TRAITS.index(trait)]
        assert abs(values.mean()) < 0.15
        assert 0.75 < values.std() < 1.05


def test_style_traits_are_independent_of_each_other_and_of_sex():
    names = [*STYLE_TRAITS, "sex", "melanin"]
    values = np.array([[identity(seed)[name] for name in names] for seed in range(1500)])
    between = np.corrcoef(values.T) - np.eye(len(names))
    assert np.abs(between).max() < 0.1


def test_a_changed_person_keeps_every_other_trait():
    person = identity(9)
    changed = person.changed(fat=0.0, greying=-2.0)
    assert changed["fat"] == 0
    assert changed["greying"] == -2
    same = [trait for trait in TRAITS if trait not in ("fat", "greying")]
    assert [changed[trait] for trait in same] == [person[trait] for trait in same]


@pytest.mark.parametrize("size", [64, 96, 128, 512])
def test_every_size_shows_the_same_picture(size):
    person, view = identity(12), replace(scene(4), grain=0.0)
    reference, other = render(person, 40, view), render(person, 40, view, size)
    np.testing.assert_allclose(
        (other.landmarks + 0.5) / size, (reference.landmarks + 0.5) / 256, atol=1e-4
    )
    small = [
        cv2.resize(shot, (32, 32), interpolation=cv2.INTER_AREA).astype(float)
        for shot in (reference.picture, other.picture)
    ]
    assert np.abs(small[0] - small[1]).mean() < 5


def test_zero_pose_and_zero_wildness_mean_none():
    view = scene(3, pose=0.0, unaligned=0.0)
    assert (view.yaw, view.pitch, view.roll) == (0, 0, 0)
    assert (view.shift_x, view.shift_y, view.zoom) == (0, 0, 1)


def test_an_age_of_zero_is_a_child():
    newborn, adult = (render(identity(2), age, scene(2), 64).picture for age in (0, 25))
    assert np.abs(newborn.astype(float) - adult).mean() > 3


def test_the_eyes_stand_where_ffhq_puts_them():
    middles = []
    for seed in range(30):
        marks = render(identity(seed), 30, scene(seed), 64).landmarks
        middles.append((marks[36:48].mean(0) + 0.5) / 64)
    spread = np.array(middles)
    np.testing.assert_allclose(spread.mean(0), (0.5, 0.47), atol=0.03)
    assert spread.std(0).max() < 0.03


def test_seed_ranges_share_no_person():
    ranges = [seeds.TRAIN, seeds.JUDGE, seeds.VALIDATION, seeds.IMPOSTORS]
    ends = [(span.start, span.stop) for span in ranges]
    assert ends == [(0, 200_000), (200_000, 400_000), (400_000, 450_000), (450_000, 460_000)]
    assert seeds.TEST_START == seeds.DEMO_PERSON == 900_000
    assert list(seeds.PERSONAL_TEST) == [900_001, 900_002, 900_003, 900_004, 900_005]


def test_the_references_still_look_as_stored():
    assert references.drift().tolerable


def test_reference_digests_are_those_of_the_stored_thumbnails():
    told = [hashlib.sha256(shot.tobytes()).hexdigest() for shot in references.stored()]
    assert list(references.REFERENCE_DIGESTS) == told
    assert len(set(told)) == 6
    assert VERSION


def test_another_world_would_not_pass_as_this_one(monkeypatch):
    monkeypatch.setattr(references, "identity", lambda seed: identity(seed + 1))
    assert not references.drift().tolerable


def test_grey_hair_is_neutral_and_lighter_than_most_hair():
    assert np.ptp(GREY_HAIR) < 0.02
    assert GREY_HAIR.mean() > 0.7
