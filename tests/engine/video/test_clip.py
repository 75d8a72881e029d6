"""What a file says of its clip, and what it says of files that are none."""

from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from engine.core.errors import PictureError
from engine.video.clip import BT601, frames_of, pixels_of, read_clip
from engine.video.segments import _sound
from tests.support.clips import RATE, faces, walls, write_clip


def sound(path):
    write_clip(path, [], sound="aac")


def no_index(path):
    write_clip(path, walls(8))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b""), "is an empty file"),
        (lambda path: path.write_text("a letter, and no clip"), "is no clip that PyAV reads"),
        (lambda path: path.write_text("ffconcat version 1.0\nfile /etc/hostname\n"), "is no clip"),
        (no_index, "its index is missing"),
        (sound, "holds only sound"),
        (lambda path: write_clip(path, walls(1)), "holds a single frame"),
        (lambda path: write_clip(path, walls(3, 24, 24)), "too small for a face"),
        (lambda path: path.mkdir(), "cannot be read"),
    ],
    ids=["empty", "text", "list of files", "cut", "sound", "one frame", "tiny", "folder"],
)
def test_what_is_no_clip_is_refused_with_its_reason(tmp_path, make, reason):
    make(tmp_path / "a.mp4")
    with pytest.raises(PictureError) as caught:
        read_clip(tmp_path / "a.mp4")
    assert reason in caught.value.reason


PQ, HLG, YCGCO = (9, 9, 16), (9, 9, 18), (8, 1, 1)


def wide(path, colours):
    return write_clip(path, walls(2), pixels="yuv420p10le", colours=colours)


@pytest.mark.parametrize(("colours", "name"), [(PQ, "PQ"), (HLG, "HLG")])
def test_hdr_is_read_as_sdr_of_ten_bits(tmp_path, colours, name):
    clip = read_clip(wide(tmp_path / "a.mp4", colours))
    assert (clip.hdr, clip.pixel_format, clip.colours.matrix) == (name, "yuv420p10le", 1)


def test_hdr_is_refused_where_it_cannot_be_mapped(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.video.tones.SCALE", "no_such_option=1")
    with pytest.raises(PictureError, match=r"is HDR \(HLG\).* update PyAV"):
        read_clip(wide(tmp_path / "a.mp4", HLG))


def test_a_matrix_that_is_not_known_is_refused(tmp_path):
    with pytest.raises(PictureError, match="by a matrix .*8.* not known here"):
        read_clip(wide(tmp_path / "a.mp4", YCGCO))


def test_rgb_is_written_as_yuv_and_noted_so(tmp_path):
    path = write_clip(tmp_path / "a.mp4", walls(2), codec="libx264rgb", pixels="rgb24")
    assert read_clip(path).colours.matrix == BT601


@pytest.mark.slow
@pytest.mark.parametrize(("colours", "white"), [(PQ, 0.58), (HLG, 0.75)])
def test_hdr_loses_light_and_keeps_hue(tmp_path, colours, white):
    """white: the signal of 203 nits, by ITU-R BT.2408 the white of a page."""
    levels = np.array([0.6, 0.8, 1.0]) * white
    grey = np.repeat(np.round(levels * 255), 64).astype(np.uint8)
    frames = [np.repeat(np.tile(grey, (64, 1))[..., None], 3, axis=2)] * 2
    path = write_clip(tmp_path / "a.mp4", frames, pixels="yuv420p10le", colours=colours)
    clip = read_clip(path)
    shown = pixels_of(next(frames_of(clip)).picture, clip)[32, 32::64].astype(int)
    assert np.ptp(shown, axis=1).max() <= 6
    dark, middle, light = shown.mean(axis=1)
    assert dark + 20 < middle < light - 20
    assert 130 < light < 245


def test_a_turned_clip_is_read_upright_and_remembers_its_turn(tmp_path):
    upright = list(faces(3))
    turned = [np.rot90(frame) for frame in upright]
    path = write_clip(tmp_path / "a.mp4", turned, rotation=-90, aspect=Fraction(4, 3))
    clip = read_clip(path)
    assert (clip.width, clip.height, clip.turns, clip.aspect) == (128, 160, 3, Fraction(4, 3))
    assert clip.display is not None
    pixels = pixels_of(next(frames_of(clip)).picture, clip)
    assert np.abs(pixels.astype(int) - upright[0]).mean() < 6


def test_time_stamps_are_those_of_the_file(tmp_path):
    ticks = [0, 40, 90, 100, 170]
    clip = read_clip(write_clip(tmp_path / "a.mkv", walls(5), ticks=ticks))
    stamps = [frame.ticks * clip.time_base * 1000 for frame in frames_of(clip)]
    assert stamps == ticks


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
def test_what_is_left_of_a_damaged_clip_is_read(tmp_path, damage):
    path = write_clip(tmp_path / "a.mkv", walls(4 * RATE))
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    if damage == "cut":
        del content[half:]
    else:
        content[half : half + 60] = b"\xff" * 60
    path.write_bytes(content)
    assert 2 < len(list(frames_of(read_clip(path)))) < 4 * RATE


def test_sound_that_is_damaged_ends_there_and_that_is_said():
    def packets(*streams):
        yield SimpleNamespace(dts=1, stream=streams[0])
        raise av.error.InvalidDataError(1, "damaged")

    source = SimpleNamespace(streams=[SimpleNamespace(index=0)], demux=packets)
    said: list[str] = []
    assert len(list(_sound(source, {0: "output"}, said))) == 1
    assert said == ["its sound is damaged: what follows is left out"]
