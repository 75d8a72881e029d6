"""A drawn person in motion, and the true flow between frames."""

import cv2
import numpy as np

from engine.worlds.portraits import identity, render, scene
from engine.worlds.portraits.motion import LIVELY, Motion, flow, scene_at

PERSON, VIEW = identity(400_011), scene(400_011, pose=0.3)


def test_a_still_motion_leaves_the_scene_as_it_is():
    assert scene_at(VIEW, Motion(), 1.7) == VIEW


def test_a_lively_person_turns_smiles_and_blinks():
    scenes = [scene_at(VIEW, LIVELY, n / 24) for n in range(72)]
    for name in ("yaw", "pitch", "roll", "smile", "shift_x", "zoom", "lids"):
        assert np.ptp([getattr(one, name) for one in scenes]) > 0
    shut = [one.lids < VIEW.lids - 0.5 for one in scenes]
    assert 2 <= sum(shut) <= 12
    assert scene_at(VIEW, LIVELY, 0.5) == scene_at(VIEW, LIVELY, 0.5)


def test_the_flow_brings_the_next_frame_back():
    still = Motion(yaw=9, pitch=4, roll=4, shift=0.03, zoom=0.04)
    start, end = (scene_at(VIEW, still, seconds) for seconds in (0.3, 0.5))
    one, other = (render(PERSON, 40.0, view, 192).picture.astype(float) for view in (start, end))
    places, known = flow(PERSON, 40.0, start, end, 192)
    back = cv2.remap(other, places[..., 0], places[..., 1], cv2.INTER_CUBIC)
    apart = np.abs(other - one)[known].mean()
    assert known.mean() > 0.1
    assert np.abs(back - one)[known].mean() < 0.4 * apart
