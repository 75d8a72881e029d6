"""`tm infer` on clips."""

import json
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from engine.video import ageing
from tests.support.clips import RATE, faces, read_frames, sound_of, times_of, walls, write_clip

OFF = ("--set", "evaluate=false")
PHOTO = ("--weights", "photo")


def rows_of(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


@pytest.fixture
def clip(tmp_path):
    """A face, a wall, and the face again, with sound and an uneven rate."""
    frames = [*faces(7), *walls(4), *faces(5)]
    ticks = [83 * number + 7 * (number % 3) for number in range(len(frames))]
    return write_clip(tmp_path / "a.mp4", frames, ticks=ticks, sound="aac")


def test_a_clip_is_aged_with_its_time_stamps_and_its_sound(tm, clip, tmp_path):
    out = tmp_path / "out"
    result = tm("infer", clip, "--ages", "70", "--out", out, *PHOTO, "--json")
    assert (result.code, result.json["done"]) == (0, 1)
    made = out / "a_age70.mp4"
    assert times_of(made) == times_of(clip)
    assert sound_of(made) == sound_of(clip)
    before, after = read_frames(clip), read_frames(made)
    changed = [np.abs(a.astype(int) - b).mean() for a, b in zip(after, before, strict=True)]
    assert min(changed[n] for n in (2, 5, 12, 14)) > 2 * max(changed[7:11])
    (row,) = rows_of(out)
    assert (row["frames"], row["frames_unchanged"]) == (16, 4)
    assert row["predicted_age"] > row["source_age"]
    assert row["predicted_age_spread"] < 6
    with av.open(str(made)) as container:
        assert "synthetic" in container.metadata["comment"]
    assert sorted(path.name for path in out.iterdir() if path.name[0] != ".") == [
        "a_age70.mp4",
        "results.jsonl",
    ]
    assert not list(out.glob(".a.*"))
    again = tm("infer", clip, "--ages", "70", "--out", out, *PHOTO, "--json")
    assert (again.json["done"], again.json["kept"]) == (0, 1)
    namesake = tmp_path / "other" / clip.name
    namesake.parent.mkdir()
    namesake.write_bytes(clip.read_bytes())
    refused = tm("infer", namesake, "--ages", "70", "--out", out, *PHOTO)
    assert refused.code == 2
    assert "was made of another clip" in refused.err


@pytest.mark.slow
def test_a_killed_run_goes_on_at_its_segment(tm, clip, tmp_path, monkeypatch):
    monkeypatch.setattr(ageing, "SEGMENT", 0.4)
    out, whole = tmp_path / "out", tmp_path / "whole"
    asked = ("--ages", "70", *PHOTO, *OFF)
    assert tm("infer", clip, "--out", whole, *asked).code == 0

    def killed(path, content):
        if path.name == "00002.json":
            raise KeyboardInterrupt
        original(path, content)

    original = ageing.write_json
    with monkeypatch.context() as context:
        context.setattr(ageing, "write_json", killed)
        tm("infer", clip, "--out", out, *asked)
    parts = list(out.glob(".a.*.parts/*.mp4"))
    stamps = {path.name: path.stat().st_mtime_ns for path in parts if path.name < "00002"}
    assert len(stamps) == 2
    opened = []

    def noted(path, *rest):
        opened.append(path.name)
        return encoder(path, *rest)

    encoder = ageing.encoder
    monkeypatch.setattr(ageing, "encoder", noted)
    assert tm("infer", clip, "--out", out, *asked).code == 0
    assert not set(opened) & set(stamps)
    one, other = (read_frames(folder / "a_age70.mp4") for folder in (out, whole))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_phone_clip_keeps_its_turn_and_is_aged_upright(tm, tmp_path):
    turned = [np.rot90(frame) for frame in faces(4)]
    path = write_clip(
        tmp_path / "a.mov", turned, rotation=-90, aspect=Fraction(4, 3), full_range=True
    )
    out = tmp_path / "out"
    assert tm("infer", path, "--ages", "70", "--out", out, *PHOTO, *OFF, "--watermark").code == 0
    with av.open(str(out / "a_age70.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height, frame.rotation) == (128, 160, -90)
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
        assert frame.color_range == 2
    (row,) = rows_of(out)
    assert row["frames_unchanged"] == 0


@pytest.mark.slow
def test_hdr_is_written_as_sdr_and_that_is_said(tm, tmp_path):
    path, out = tmp_path / "a.mp4", tmp_path / "out"
    write_clip(path, faces(4), pixels="yuv420p10le", colours=(9, 9, 18))
    result = tm("infer", path, "--ages", "70", "--out", out, *PHOTO, *OFF)
    assert result.code == 0
    assert "the clip is HDR (HLG): it is aged and written as SDR" in " ".join(result.err.split())
    with av.open(str(out / "a_age70.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.format.name, int(frame.color_trc), int(frame.colorspace)) == (
            "yuv420p10le",
            1,
            1,
        )


def test_a_preview_is_a_strip_of_frames(tm, clip, tmp_path):
    out = tmp_path / "out"
    assert tm("infer", clip, "--ages", "70", "--out", out, *PHOTO, "--preview", 3).code == 0
    with Image.open(out / "a_preview.png") as strip:
        assert strip.width > 3 * 384
    assert not list(out.glob("*.mp4"))


@pytest.mark.slow
def test_drawn_clips_are_aged_by_nano(tm, tmp_path):
    from engine.worlds.portraits import identity, render, scene
    from engine.worlds.portraits.motion import LIVELY, scene_at

    view = scene(400_009, pose=0.3)
    frames = [
        render(identity(400_009), 35.0, scene_at(view, LIVELY, n / RATE), 192).picture
        for n in range(4)
    ]
    path, out = write_clip(tmp_path / "a.mp4", frames), tmp_path / "out"
    result = tm("infer", path, "--ages", "70", "--out", out, *OFF)
    assert (result.code, "by `nano`" in result.err) == (0, True)
    gap = np.abs(read_frames(out / "a_age70.mp4")[2].astype(int) - frames[2])
    assert gap[60:150, 60:130].mean() > 8


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--strip",), 2, "is for photos"),
        (("--size", 64), 2, "is for photos"),
        (("--dry-run",), 0, "would age"),
    ],
)
def test_what_does_not_fit_a_clip_is_said(tm, clip, tmp_path, options, code, words):
    result = tm("infer", clip, "--ages", "70", "--out", tmp_path / "out", *PHOTO, *options)
    assert (result.code, words in result.err) == (code, True)
    assert not (tmp_path / "out").exists()


def test_a_clip_without_a_face_gives_its_reason(tm, tmp_path):
    path = write_clip(tmp_path / "a.mp4", walls(6))
    result = tm("infer", path, "--ages", "70", "--out", tmp_path / "out", *PHOTO)
    assert result.code == 3
    assert rows_of(tmp_path / "out")[0]["reason"] == "no face found in it"


def test_what_is_for_clips_is_refused_for_photos(tm, photo, tmp_path):
    result = tm("infer", photo, "--ages", "70", "--out", tmp_path / "out", "--watermark")
    assert (result.code, "is for a clip" in result.err) == (2, True)
