"""Shots, steady points, means over frames, planes: what keeps a clip from flickering."""

import numpy as np
import pytest

from engine.video.clip import frames_of, pixels_of, read_clip
from engine.video.planes import Painter
from engine.video.shots import CutFinder
from engine.video.smoothing import steady
from engine.video.watermark import Watermark
from engine.video.window import Seen, Times, averaged, reach_of, stride_of
from tests.support.clips import faces, walls, write_clip

SECONDS = np.arange(60) / 25
ONE_SHOT = np.zeros(60, int)


def cuts(frames):
    finder = CutFinder()
    return [number for number, frame in enumerate(frames) if finder.is_cut(frame)]


def test_cuts_are_found_and_motion_is_none():
    assert cuts(faces(12)) == []
    assert cuts([*faces(6), *walls(5), *faces(6)]) == [6, 11]


def test_a_lamp_that_is_switched_on_is_no_cut():
    bright = [frame // 2 + 40 for frame in faces(12)]
    assert cuts([*(frame // 2 for frame in bright[:6]), *bright[6:]]) == []


def path_of(function):
    return np.stack([function(SECONDS), -function(SECONDS)], axis=1)[:, None]


def test_noise_is_halved_and_a_nod_keeps_its_ends():
    nod = path_of(lambda t: 20 * np.sin(2 * np.pi * t))
    noise = np.random.default_rng(0).normal(0, 1, nod.shape)
    smooth = steady(nod + noise, SECONDS, ONE_SHOT, 0.5)
    assert np.abs(smooth - nod).mean() < 0.6 * np.abs(noise).mean()
    assert np.abs(steady(nod, SECONDS, ONE_SHOT, 0.5) - nod).max() < 1.0


def test_short_losses_are_filled_and_long_ones_are_not():
    line = path_of(lambda t: 10 * t)
    lost = line.copy()
    lost[5:10], lost[20:50] = np.nan, np.nan
    smooth = steady(lost, SECONDS, ONE_SHOT, 0.5)
    assert np.abs(smooth[:20] - line[:20]).max() < 1e-6
    assert np.isnan(smooth[20:50]).all()


def test_shots_know_nothing_of_one_another():
    jump = path_of(lambda t: np.where(t < 1.2, 0.0, 100.0))
    shots = (SECONDS >= 1.2).astype(int)
    assert np.abs(steady(jump, SECONDS, shots, 0.5) - jump).max() < 1e-6
    assert np.abs(steady(jump, SECONDS, ONE_SHOT, 0.5) - jump).max() > 10


def test_means_stay_in_their_run_and_frames_outside_have_none():
    runs = np.array([1, 1, 1, -1, 2, 2])
    times = Times(np.arange(6) / 10, runs)
    values = [1.0, 1.0, 1.0, None, 5.0, 5.0]
    seen = [
        Seen(n, str(n), None if v is None else lambda v=v: {"a": np.array(v)})
        for n, v in enumerate(values)
    ]
    reach = reach_of({"a": 0.1}, 1, 10)
    means = [
        (n, item, m and float(m["a"])) for n, item, m in averaged(seen, times, {"a": 0.1}, reach)
    ]
    assert [mean for *_, mean in means] == pytest.approx([1, 1, 1, None, 5, 5])
    assert [item for _, item, _ in means] == list("012345")


@pytest.mark.parametrize(
    ("apart", "rate", "stride"),
    [(0.084, 24, 2), (0.084, 24000 / 1001, 2), (0.084, 60, 5), (0.084, 8, 1), (0.0, 60, 1)],
)
def test_changes_are_looked_at_as_often_in_a_second_at_any_rate(apart, rate, stride):
    assert stride_of(apart, rate) == stride


@pytest.mark.parametrize(
    ("pixels", "turned"), [("yuv420p", False), ("yuv420p10le", False), ("yuv422p", True)]
)
def test_a_change_reaches_its_pixels_and_no_others(tmp_path, pixels, turned):
    frames = [np.rot90(frame) if turned else frame for frame in faces(2)]
    rotation = -90 if turned else None
    clip = read_clip(write_clip(tmp_path / "a.mp4", frames, pixels=pixels, rotation=rotation))
    picture = next(frames_of(clip)).picture
    painter, before = Painter(clip), pixels_of(picture, clip)
    planes, untouched = painter.planes(picture), painter.planes(picture)
    after = before.copy()
    after[40:60, 60:90] = np.clip(after[40:60, 60:90] + np.array([20, 0, -10]), 0, 255)
    painter.change(planes, before, after)
    made = pixels_of(painter.frame(planes, 0), clip).astype(int)
    inside = np.abs(made - after)[44:56, 64:86]
    assert inside.mean() < 2
    inside = np.zeros(before.shape[:2], bool)
    inside[40:60, 60:90] = True
    stored = np.rot90(inside, -clip.turns)
    assert np.array_equal(planes[0][~stored], untouched[0][~stored])
    assert all((one != other).mean() < 0.06 for one, other in zip(planes, untouched, strict=True))


def test_a_watermark_is_seen_in_its_corner(tmp_path):
    clip = read_clip(write_clip(tmp_path / "a.mp4", walls(2, 320, 240)))
    picture, painter = next(frames_of(clip)).picture, Painter(clip)
    planes = painter.planes(picture)
    Watermark(clip, painter, "SYNTHETIC").draw(planes)
    changed = planes[0] != painter.planes(picture)[0]
    assert changed.sum() > 100
    rows, columns = np.nonzero(changed)
    assert rows.min() > 200
    assert columns.max() < 120
