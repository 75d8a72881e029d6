import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from engine.core.errors import PictureError
from engine.images.png import write_png
from engine.images.raster import Raster, enlarged_plane, enlarged_rows, read_raster, resized

RANDOM = np.random.default_rng(0)
COLOURS = RANDOM.integers(0, 256, (20, 30, 3)).astype(np.uint8)


def read(path):
    return read_raster(path, max_megapixels=1)


@pytest.mark.parametrize("alpha", [False, True])
def test_sixteen_bits_stay_sixteen(tmp_path, alpha):
    deep = RANDOM.integers(0, 65536, (20, 30, 4)).astype(np.uint16)
    made = Raster(deep[..., :3], deep[..., 3] if alpha else None)
    with (tmp_path / "tief-Ж.png").open("wb") as file:
        write_png(file, made, {})
    back, origin = read(tmp_path / "tief-Ж.png")
    assert back.bits == 16
    assert np.array_equal(back.pixels, made.pixels)
    assert (back.alpha is None) == (not alpha)
    assert origin.mode.endswith(";16")


def test_sixteen_bit_grey_and_tiff_stay_sixteen(tmp_path):
    gray = RANDOM.integers(0, 65536, (20, 30)).astype(np.uint16)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    assert np.array_equal(read(tmp_path / "gray.png")[0].pixels[..., 1], gray)
    colours = RANDOM.integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    (tmp_path / "c.tif").write_bytes(cv2.imencode(".tif", colours[..., ::-1])[1].tobytes())
    assert np.array_equal(read(tmp_path / "c.tif")[0].pixels, colours)


def test_opacity_is_kept_apart(tmp_path):
    opacity = RANDOM.integers(0, 256, (20, 30)).astype(np.uint8)
    Image.fromarray(np.dstack([COLOURS, opacity])).save(tmp_path / "a.png")
    back, _ = read(tmp_path / "a.png")
    assert np.array_equal(back.pixels, COLOURS)
    assert np.array_equal(back.alpha, opacity)


def test_cmyk_becomes_srgb(tmp_path):
    Image.new("CMYK", (16, 16), (255, 255, 0, 0)).save(tmp_path / "c.jpg")
    back, origin = read(tmp_path / "c.jpg")
    assert origin.mode == "CMYK"
    red, green, blue = back.pixels.reshape(-1, 3).mean(axis=0)
    assert blue > 200 > 100 > max(red, green)


def test_a_profile_is_brought_to_srgb(tmp_path):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    Image.fromarray(COLOURS).save(tmp_path / "p.png", icc_profile=lab.tobytes())
    assert np.array_equal(read(tmp_path / "p.png")[0].pixels, COLOURS)


@pytest.mark.parametrize("deep", [False, True])
def test_pictures_stand_upright(tmp_path, deep):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(COLOURS[..., 0].astype(np.uint16) << 8 if deep else COLOURS)
    image.save(tmp_path / "turned.png", exif=exif)
    back, origin = read(tmp_path / "turned.png")
    assert origin.orientation == 6
    expected = np.rot90(COLOURS[..., 0].astype(int), 3)
    assert np.array_equal(back.pixels[..., 0].astype(int) >> (8 if deep else 0), expected)


def test_what_was_read_may_be_written_to(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png")[0].pixels.flags.writeable


def test_large_pictures_are_refused_before_decoding(tmp_path):
    Image.new("L", (2_000, 1_000)).save(tmp_path / "l.png")
    with pytest.raises(PictureError, match="over the limit of 1 megapixels"):
        read(tmp_path / "l.png")


def test_rows_of_an_enlargement_are_those_of_the_whole():
    whole = enlarged_plane(COLOURS, 3)
    for top, bottom in ((0, 7), (7, 40), (40, 60)):
        assert np.array_equal(enlarged_rows(COLOURS, top, bottom, 3), whole[top:bottom])


def test_a_raster_is_only_ever_shrunk():
    small = resized(Raster(COLOURS, COLOURS[..., 0]), 15)
    assert small.pixels.shape == (10, 15, 3)
    assert small.alpha is not None
    assert small.alpha.shape == (10, 15)
    assert resized(small, 500) is small


def test_a_damaged_file_is_a_reason(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(COLOURS).save(buffer, "PNG")
    (tmp_path / "cut.png").write_bytes(buffer.getvalue()[:200])
    with pytest.raises(PictureError):
        read(tmp_path / "cut.png")
