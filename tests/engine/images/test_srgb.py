"""Deep, indexed, inked and transparent pictures all become the sRGB one would see."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from engine.images.reading import read_picture


def read(path):
    return read_picture(path, max_megapixels=100)


def colourful(width=40, height=24):
    y, x = np.mgrid[:height, :width]
    planes = [x * 255 / max(width - 1, 1), y * 255 / max(height - 1, 1), (x + y) % 256]
    return np.stack(planes, axis=-1).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, extra=b""):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def icc(space, tags):
    """A minimal ICC v2 profile with Lab or XYZ as its connection space."""
    link = b"Lab " if space == b"CMYK" else b"XYZ "
    described = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * 78
    tags = {b"desc": described, b"wtpt": xyz(0.9642, 1.0, 0.8249), **tags}
    table, blob, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", start + len(blob), len(data))
        blob += data
    head = struct.pack(
        ">I4sI4s4s4s", start + len(blob), b"\0" * 4, 0x02400000, b"mntr", space, link
    )
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    head += struct.pack(">3i", *(round(v * 65536) for v in (0.9642, 1.0, 0.8249)))
    return head.ljust(128, b"\0") + table + blob


def xyz(*values):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))


def gamma(value):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def swapped_rgb_profile():
    red, green, blue = (0.436, 0.222, 0.014), (0.385, 0.717, 0.097), (0.143, 0.061, 0.714)
    names = {b"rXYZ": xyz(*green), b"gXYZ": xyz(*red), b"bXYZ": xyz(*blue)}
    return icc(b"RGB ", {**names, **dict.fromkeys([b"rTRC", b"gTRC", b"bTRC"], gamma(2.2))})


def cmyk_profile():
    """Any ink but black is a strong Lab red: proof that the profile was used."""
    ramp = bytes(range(256))
    head = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0])
    head += struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    return icc(
        b"CMYK", {b"A2B0": head + ramp * 4 + bytes([128, 200, 190, 0, 128, 128]) * 8 + ramp * 3}
    )


def test_gray_is_detected_exactly(tmp_path):
    flat = np.full((100, 100, 3), 90, np.uint8)
    Image.fromarray(flat).save(tmp_path / "gray.png")
    flat[50, 51, 2] += 1
    Image.fromarray(flat).save(tmp_path / "tinted.png")
    assert read(tmp_path / "gray.png").gray
    assert not read(tmp_path / "tinted.png").gray


def test_sixteen_bit_gray_png_is_scaled_not_clipped(tmp_path):
    values = np.array([[0, 257, 32896, 65535]], dtype=">u2")
    (tmp_path / "a.png").write_bytes(png(4, 1, 16, 0, [values.tobytes()]))
    picture = read(tmp_path / "a.png")
    assert picture.gray
    assert picture.pixels[0, :, 0].tolist() == [0, 1, 128, 255]


def test_sixteen_bit_rgb_png_is_scaled_not_clipped(tmp_path):
    values = np.array([[[0, 32896, 65535], [65535, 257, 0]]], dtype=">u2")
    (tmp_path / "a.png").write_bytes(png(2, 1, 16, 2, [values.tobytes()]))
    assert read(tmp_path / "a.png").pixels.tolist() == [[[0, 128, 255], [255, 1, 0]]]


@pytest.mark.parametrize(("white", "expected"), [(1.0, 255), (255.0, 255), (65535.0, 255)])
def test_float_tiff_is_scaled_by_its_likely_white(tmp_path, white, expected):
    values = np.array([[0, white / 2, white, np.nan]], dtype=np.float32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    row = read(tmp_path / "a.tif").pixels[0, :, 0].tolist()
    assert row[0] == 0
    assert row[1] in (127, 128)
    assert row[2:] == [expected, 0]


def test_palette_transparency_is_laid_on_mid_grey(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image = Image.frombytes("P", (2, 1), image.tobytes())
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(tmp_path / "a.png", transparency=b"\x00\xff")
    assert read(tmp_path / "a.png").pixels.tolist() == [[[128, 128, 128], [0, 0, 255]]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_on_mid_grey(tmp_path, mode):
    image = Image.new(mode, (2, 1), (255,) * (len(mode) - 1) + (0,))
    image.putpixel((1, 0), (255,) * (len(mode) - 1) + (255,))
    image.save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").pixels.tolist() == [[[128] * 3, [255] * 3]]


def test_a_colour_key_is_transparency_too(tmp_path):
    image = Image.new("RGB", (2, 1), (10, 20, 30))
    image.putpixel((1, 0), (200, 100, 50))
    image.save(tmp_path / "a.png", transparency=(10, 20, 30))
    assert read(tmp_path / "a.png").pixels.tolist() == [[[128] * 3, [200, 100, 50]]]


def test_one_bit_pictures_are_black_and_white(tmp_path):
    Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1").save(tmp_path / "a.png")
    picture = read(tmp_path / "a.png")
    assert picture.gray
    assert picture.pixels[0, :, 0].tolist() == [0, 255]


def test_cmyk_jpeg_without_profile_reads_as_ink_on_white(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    red, green, blue = read(tmp_path / "a.jpg").pixels[8, 8].tolist()
    assert red > 240
    assert max(green, blue) < 15


def test_cmyk_jpeg_goes_through_its_profile(tmp_path):
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    image.save(tmp_path / "a.jpg", icc_profile=cmyk_profile())
    red, green, blue = read(tmp_path / "a.jpg").pixels[8, 8].tolist()
    assert red > 200
    assert max(green, blue) < 60


def test_a_rgb_profile_is_converted_to_srgb(tmp_path):
    image = Image.new("RGB", (4, 4), (255, 0, 0))
    image.save(tmp_path / "a.png", icc_profile=swapped_rgb_profile())
    red, green, blue = read(tmp_path / "a.png").pixels[0, 0].tolist()
    assert green > 240
    assert max(red, blue) < 30


def test_a_gray_profile_keeps_the_picture_exactly_gray(tmp_path):
    Image.new("L", (4, 4), 100).save(
        tmp_path / "a.png", icc_profile=icc(b"GRAY", {b"kTRC": gamma(1)})
    )
    picture = read(tmp_path / "a.png")
    assert picture.gray
    assert np.ptp(picture.pixels) == 0
    assert picture.pixels[0, 0, 0] > 150


@pytest.mark.parametrize(
    "profile",
    [b"junk", cmyk_profile(), swapped_rgb_profile()[:150]],
    ids=["junk", "foreign", "cut"],
)
def test_a_useless_profile_leaves_the_pixels_alone(tmp_path, profile):
    Image.new("RGB", (2, 2), (250, 20, 30)).save(tmp_path / "a.png", icc_profile=profile)
    assert read(tmp_path / "a.png").pixels[0, 0].tolist() == [250, 20, 30]


def test_an_srgb_profile_changes_nothing(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(colourful()).save(tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(read(tmp_path / "a.png").pixels, colourful())


def test_lab_pictures_are_converted(tmp_path):
    Image.new("LAB", (4, 4), (128, 200, 190)).save(tmp_path / "a.tif")
    red, green, blue = read(tmp_path / "a.tif").pixels[0, 0].tolist()
    assert red > 180
    assert max(green, blue) < 80
