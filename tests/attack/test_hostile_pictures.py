"""Corrupt, odd and lying pictures: every one gets a row with a reason, and the batch goes on."""

import io
import json
import struct
import zlib
from functools import cache
from random import Random

import numpy as np
import pytest
from PIL import Image

FORMATS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "TIFF": "tif", "BMP": "bmp",
           "PPM": "ppm", "JPEG2000": "jp2", "AVIF": "avif"}  # fmt: skip
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I", "F")
FEW, SMALL, SIDE = 4, 48, 160
SLOW = ("enhance",)
"""Seconds of a network for each picture: these get small ones."""
BATCHES = {
    "align": ("prep", "align", "SRC", "OUT", "--size", 64, "--workers", 1),
    "infer": ("infer", "SRC", "--out", "OUT", "--ages", "30", "--size", 32, "--force", "--aligned"),
    # A header may claim 48 x 65,000 pixels: a quarter of an hour of Real-ESRGAN, and no fault.
    "enhance": ("enhance", "SRC", "OUT", "--steps", "esrgan", "--no-guard", "--workers", 1,
                "--set", "steps.esrgan.weights=nano-x2", "--set", "force=true",
                "--set", "max_megapixels=0.5"),
    "relabel": ("relabel", "SRC", "--out", "OUT/labels.json", "--aligned", "--workers", 1),
    "bank": ("bank", "build", "SRC", "OUT/b.safetensors", "--embedder", "nano-identity"),
}  # fmt: skip


def encoded(image, kind, **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def photograph(rng, side):
    """A face-like blob in noise."""
    draw = np.random.default_rng(rng.randrange(2**32))
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    face = 200 * np.exp(-3 * (x**2 + 1.5 * y**2))[..., None] * [1, 0.8, 0.7]
    return Image.fromarray((face + draw.integers(0, 50, (side, side, 3))).astype(np.uint8))


def png(width, height, depth, colour, data, *extra):
    """A PNG whose header may lie about `data`; extra: chunks (kind, content)."""

    def chunk(kind, content):
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def spoilt(content, rng):
    """Copies with flipped bits, a broken header, a cut end, and bytes put in."""
    flipped = bytearray(content)
    for _ in range(rng.choice([1, 4, 30, 300])):
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
    head = bytearray(content)
    for _ in range(rng.choice([2, 8])):
        head[rng.randrange(min(200, len(head)))] = rng.choice([0, 255, 0x7F, 0x80])
    at = rng.randrange(len(content))
    yield "flip", bytes(flipped)
    yield "head", bytes(head)
    yield "cut", content[: int(len(content) * rng.choice([0.02, 0.3, 0.97]))]
    yield "insert", content[:at] + rng.randbytes(500) + content[at:]


@cache
def hostile(seed, *, few, side):
    """Name to content of all pictures; `side`: of those that are no bombs."""
    rng = Random(seed)
    photo, made = photograph(rng, side), {}
    for kind, suffix in FORMATS.items():
        content = encoded(photo, kind)
        made[f"good_{kind}.{suffix}"] = content
        for round_ in range(6):
            for how, bad in spoilt(content, rng):
                made[f"{how}_{kind}_{round_}.{suffix}"] = bad
    for mode in MODES:
        made[f"mode_{mode}.tif"] = encoded(photo.convert(mode), "TIFF")
    for index, value in enumerate((np.nan, np.inf, 1e36, -1.0)):
        plane = np.full((90, 90), value, np.float32)
        made[f"float_{index}.tif"] = encoded(Image.fromarray(plane), "TIFF")
    long = 100 if few else 3000
    for width, height in ((1, 1), (1, long), (long, 1), (7, 20 * long), (3, 3), (31, 31)):
        image = Image.new("RGB", (width, height), (90, 60, 50))
        made[f"size_{width}x{height}.png"] = encoded(image, "PNG")
    empty, bomb = zlib.compress(bytes(5000)), zlib.compress(bytes(6 << 20 if few else 60 << 20), 9)
    for index, side in enumerate(((2**31 - 1, 2**31 - 1), (60_000, 60_000), (0, 9), (500, 420))):
        made[f"lie_{index}.png"] = png(*side, 8, 2, empty)
    made |= {
        "lie_bits.png": png(9, 9, 77, 2, empty),
        "bomb_text.png": png(64, 64, 8, 2, empty, (b"zTXt", b"k\0\0" + bomb)),
        "bomb_profile.png": png(64, 64, 8, 2, empty, (b"iCCP", b"k\0\0" + bomb)),
        "bomb_data.png": png(64, 64, 8, 2, bomb),
        "profile.jpg": encoded(photo, "JPEG", icc_profile=rng.randbytes(500)),
        "exif.jpg": encoded(photo, "JPEG", exif=b"Exif\0\0II*\0" + rng.randbytes(300)),
        "empty.jpg": b"",
        "text.jpg": "größe\n".encode(),
        "page.jpg": b"<!DOCTYPE html><title>x</title>",
        "random.png": rng.randbytes(4000),
        "film.jpg": b"\0\0\0\x18ftypmp42" + bytes(90),
    }
    for name in ("esc\x1b[31m\x07", "[red]m[/red]", "=cmd|'x'!A1", "-dash", "a\nb", "<img src=x>"):
        made[f"name_{name}.jpg".replace("/", "\u2215")] = made["good_JPEG.jpg"]
    return made


def rows_of(out, command):
    """What the results say of each picture, by its name: status and reason."""
    if command == "relabel":
        told = json.loads((out / "labels.json").read_text())["labels"].values()
        return {
            one["source"].rpartition("/")[2]: (
                "done" if one["age"] is not None else "failed",
                one.get("why_null"),
            )
            for one in told
        }
    file = out / ("results.jsonl" if command == "infer" else "manifest.jsonl")
    rows = [json.loads(line) for line in file.read_text().split("\n") if line]
    return {row["source"].rpartition("/")[2]: (row["status"], row["reason"]) for row in rows}


@pytest.mark.parametrize("command", BATCHES)
def test_pictures(attack, tm, tmp_path, command):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    side = SMALL if attack.few or command in SLOW else SIDE
    pictures = hostile(f"{attack.name} {attack.seed}", few=attack.few, side=side)
    chosen = attack.chosen(pictures, FEW)
    for name in chosen:
        (source / name).write_bytes(pictures[name])
    (source / "ring.jpg").symlink_to("ring.jpg")
    (source / "gone.jpg").symlink_to("nowhere")
    places = {"SRC": source, "OUT": out}
    argv = [
        places.get(one, one.replace("OUT", str(out))) if isinstance(one, str) else one
        for one in BATCHES[command]
    ]
    attack.told(command, tm(*argv), allowed={0, 3})
    if command == "bank":
        return
    rows = rows_of(out, command)
    for name in (*chosen, "ring.jpg", "gone.jpg"):
        status, reason = rows.get(name, (None, None))
        faults = ["has no row"] if status is None else []
        if status in ("failed", "skipped") and not reason:
            faults.append("has no reason")
        attack.tried(f"{command} {name!r}", faults)
