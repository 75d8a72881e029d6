"""Whatever a file holds, reading gives upright sRGB pixels or one sentence of reason."""

import builtins
import datetime
import errno
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from engine.core.errors import PictureError
from engine.images.reading import read_picture

LIMIT = 100.0


def read(path, limit=LIMIT):
    return read_picture(path, max_megapixels=limit)


def survives(path):
    """Read pixels or a reason of one line; any other exception fails the test by itself."""
    try:
        assert read(path).pixels.shape[2] == 3
    except PictureError as fault:
        reason = fault.reason
    else:
        return
    assert "\n" not in reason


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


@pytest.mark.parametrize("orientation", list(range(1, 9)))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_every_exif_orientation_becomes_upright(tmp_path, orientation, suffix):
    image = Image.fromarray(colourful())
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(
        tmp_path / f"a{suffix}", exif=exif, **({"lossless": True} if suffix == ".webp" else {})
    )
    with Image.open(tmp_path / f"a{suffix}") as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}").pixels, expected)


@pytest.mark.parametrize(
    ("original", "taken"), [("1999:12:31 23:59:59", datetime.date(1999, 12, 31)), (None, None)]
)
def test_only_the_day_of_the_photograph_is_its_date(tmp_path, original, taken):
    exif = Image.Exif()
    exif[0x0132] = "2020:05:06 07:08:09"  # the last edit
    exif.get_ifd(0x8769)[0x9004] = "2019:05:06 07:08:09"  # of a scan, the scanner's
    if original is not None:
        exif.get_ifd(0x8769)[0x9003] = original
    Image.fromarray(colourful()).save(tmp_path / "a.jpg", exif=exif)
    assert read(tmp_path / "a.jpg").taken == taken


@pytest.mark.parametrize("text", ["0000:00:00 00:00:00", "soon", "", "9999:01:01", "\0\0\0\0"])
def test_an_impossible_date_is_no_date(tmp_path, text):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = text
    Image.fromarray(colourful()).save(tmp_path / "a.jpg", exif=exif)
    assert read(tmp_path / "a.jpg").taken is None


def test_a_damaged_exif_block_does_not_cost_the_photo(tmp_path):
    Image.fromarray(colourful()).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7fjunk")
    picture = read(tmp_path / "a.jpg")
    assert picture.pixels.shape == (24, 40, 3)
    assert picture.taken is None


@pytest.mark.parametrize(
    "fault", [SyntaxError("not a TIFF file"), struct.error("short"), KeyError(1)]
)
def test_whatever_the_exif_parser_raises_counts_as_no_exif(tmp_path, monkeypatch, fault):
    Image.fromarray(colourful()).save(tmp_path / "a.png")

    def refuse(_):
        raise fault

    monkeypatch.setattr(Image.Image, "getexif", refuse)
    assert read(tmp_path / "a.png").taken is None


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_of_an_animation_the_first_frame_is_read(tmp_path, suffix):
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    lossless = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], **lossless)
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}").pixels[5, 5], [255, 0, 0])


@pytest.mark.parametrize("size", [(1, 1), (20000, 20), (20, 20000)])
def test_extreme_shapes_are_read(tmp_path, size):
    Image.new("RGB", size, (9, 8, 7)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").pixels.shape == (size[1], size[0], 3)


def test_heic_is_read_upright(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    image = Image.fromarray(np.repeat(np.repeat(colourful(4, 2), 32, 0), 32, 1))
    exif = Image.Exif()
    exif[0x0112] = 6
    heif.from_pillow(image).save(tmp_path / "a.heic", quality=95, exif=exif.tobytes())
    assert read(tmp_path / "a.heic").pixels.shape == (128, 64, 3)


def test_heic_without_the_extra_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    real = builtins.__import__

    def without(name, *rest):
        if name == "pillow_heif":
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PictureError, match=r"pip install 'tm-toolkit\[heif\]'"):
        read(tmp_path / "a.heic")


def test_a_damaged_heic_is_a_reason(tmp_path):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\xff" * 50)
    with pytest.raises(PictureError, match=r"cannot be decoded|is cut short"):
        read(tmp_path / "a.heic")


CONTENTS = {
    "empty": (b"", r"is empty \(0 bytes\)"),
    "text": (b"not a picture\n", "is a text file, not a picture"),
    "utf8": ("naïve café".encode(), "is a text file, not a picture"),
    "html": (b"\xef\xbb\xbf\n<!DOCTYPE html><html>404</html>", "is a web page, not a picture"),
    "svg": (b'<?xml version="1.0"?><svg/>', "is an XML or SVG drawing"),
    "zeros": (b"\0" * 600, "is no picture of a known format"),
    "pdf-like": (b"%PDF-1.7\n\0\1\2\3", "is no picture of a known format"),
    "jpeg head only": (
        b"\xff\xd8\xff\xe0\0\x10JFIF\0",
        "is no picture|is cut short|cannot be decoded",
    ),
    "png head only": (png(4, 4, 8, 2, [])[:20], "is no picture|is cut short|cannot be decoded"),
}


@pytest.mark.parametrize(("data", "reason"), list(CONTENTS.values()), ids=list(CONTENTS))
def test_other_files_are_reported_as_what_they_are(tmp_path, data, reason):
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(PictureError, match=reason):
        read(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif", ".tif", ".bmp", ".jp2"])
def test_a_cut_file_is_a_reason_at_every_length(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / f"whole{suffix}")
    whole = (tmp_path / f"whole{suffix}").read_bytes()
    for share in (0.02, 0.1, 0.3, 0.6, 0.9):
        (tmp_path / f"cut{suffix}").write_bytes(whole[: int(len(whole) * share)])
        survives(tmp_path / f"cut{suffix}")


def test_a_truncated_jpeg_is_reported_as_cut_short(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PictureError, match="is cut short"):
        read(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif", ".tif", ".bmp"])
def test_flipped_bytes_never_raise_anything_else(tmp_path, suffix):
    Image.fromarray(colourful()).save(tmp_path / f"a{suffix}")
    whole = (tmp_path / f"a{suffix}").read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 6):
            data[place] = rng.integers(0, 256)
        (tmp_path / f"b{suffix}").write_bytes(data)
        survives(tmp_path / f"b{suffix}")


def test_a_decompression_bomb_is_refused_before_decoding(tmp_path):
    (tmp_path / "a.png").write_bytes(png(12_000, 12_000, 8, 2, []))
    with pytest.raises(
        PictureError, match="holds 12000 x 12000 pixels, over the limit of 100 mega"
    ):
        read(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(png(60_000, 60_000, 8, 2, []))
    with pytest.raises(PictureError, match="over the limit of 100 megapixels"):
        read(tmp_path / "b.png")


def test_the_limit_of_pillow_is_lifted_while_reading_and_stands_again_after(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.new("L", (40, 30)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").pixels.shape == (30, 40, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_the_limit_of_megapixels_is_the_callers(tmp_path):
    Image.new("L", (2000, 1000)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png", limit=2.0).pixels.shape == (1000, 2000, 3)
    with pytest.raises(PictureError, match=r"over the limit of 1\.5 megapixels"):
        read(tmp_path / "a.png", limit=1.5)


def test_a_text_chunk_that_unpacks_to_a_bomb_is_refused(tmp_path):
    text = b"note\0\0" + zlib.compress(b"\0" * (PngImagePlugin.MAX_TEXT_CHUNK + 1))
    (tmp_path / "a.png").write_bytes(png(1, 1, 8, 0, [b"\x05"], chunk(b"zTXt", text)))
    with pytest.raises(PictureError, match="text chunk that unpacks to a bomb"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "permission denied"),
        (OSError(errno.EIO, "Input/output error"), "cannot be read: Input/output error"),
    ],
)
def test_a_file_the_system_withholds_is_a_reason(tmp_path, monkeypatch, error, reason):
    Image.fromarray(colourful()).save(tmp_path / "a.png")

    def refuse(*_):
        raise error

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PictureError, match=reason):
        read(tmp_path / "a.png")


def test_things_that_are_not_files_are_reasons(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "broken.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PictureError, match="is not a regular file"):
        read(tmp_path / "folder.jpg")
    with pytest.raises(PictureError, match="a link to nothing"):
        read(tmp_path / "broken.jpg")
    with pytest.raises(PictureError, match="cannot be read: Too many levels of symbolic links"):
        read(tmp_path / "loop.jpg")
    with pytest.raises(PictureError, match="is not a regular file"):
        read(tmp_path / "pipe.jpg")


def test_names_beyond_ascii_and_wrong_extensions_are_read(tmp_path):
    Image.fromarray(colourful()).save(tmp_path / "фото 写真.png")
    (tmp_path / "фото 写真.png").rename(tmp_path / "фото 写真.JPG")
    assert read(tmp_path / "фото 写真.JPG").pixels.shape == colourful().shape


def test_reading_leaves_pillow_and_the_warning_filters_as_they_were(tmp_path):
    Image.fromarray(colourful()).save(tmp_path / "a.png")
    before = (Image.MAX_IMAGE_PIXELS, set(Image.OPEN), list(warnings.filters))
    read(tmp_path / "a.png")
    assert before == (Image.MAX_IMAGE_PIXELS, set(Image.OPEN), list(warnings.filters))


@pytest.mark.parametrize("scans", [10, 12_000])
def test_a_progressive_jpeg_of_empty_scans_is_refused_before_it_is_walked(tmp_path, scans):
    path = tmp_path / "scans.jpg"
    Image.new("L", (1000, 1000), 99).save(path, progressive=True)
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"\xff\xda\0\x08\1\1\0\0\0\x10\0" * scans + content[-2:])
    if scans < 100:
        assert read(path).pixels.shape == (1000, 1000, 3)
        return
    with pytest.raises(PictureError, match="passes over its pixels"):
        read(path)
