"""Seconds and memory of `tm infer` on photographs, start-up and files included.

Every figure is of a process of its own; CPU seconds stand beside wall ones, since they hardly
change when other programs share the machine. The photographs are enlarged composites.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIX = "30,40,50,60,70,80"
TWELVE_MEGAPIXELS = (4000, 3000)
LONG_SIDE, FOLDER, GRAIN = 1024, 200, 4.0
SAM = Path(__file__).parents[2] / "infer.py"
Figures = dict[str, Any]


def speed(composites: Path, photos: int = FOLDER) -> Figures:
    """One photograph of 12 megapixels, one of 1024 px, and a folder of small ones."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        face = Image.open(sorted(composites.glob("*.jpg"))[0]).convert("RGB")
        draw = np.random.default_rng(0)
        _grainy(_large(face), draw).save(root / "large.jpg", quality=92)
        middle = face.resize((round(LONG_SIDE * face.width / face.height), LONG_SIDE))
        _grainy(middle, draw).save(root / "middle.jpg")
        folder = root / "photos"
        folder.mkdir()
        small = face.resize((225, 260))
        for number in range(photos):
            _grainy(small, draw).save(folder / f"45_{number}.jpg")
        six, one = (
            _timed(root / "middle.jpg", root / name, "--ages", ages)
            for name, ages in (("six", SIX), ("one", "70"))
        )
        batch = _timed(folder, root / "batch", "--ages", "65")
        return {
            "twelve_megapixels_six_ages": _timed(root / "large.jpg", root / "big", "--ages", SIX),
            "1024_px_six_ages": six,
            "1024_px_each_further_age": {
                key: round((six[key] - one[key]) / 5, 3) for key in ("seconds", "cpu_seconds")
            },
            "sam_1024_px_six_ages": _sam(),
            "folder": batch | {"photos": photos, "per_second": round(photos / batch["seconds"], 2)},
        }


def _sam() -> Figures:
    """The network passes of the SAM architecture for six ages, start-up and detection left out."""
    line = [sys.executable, str(SAM), "--size", str(LONG_SIDE), "--rounds", "1", "--json"]
    done = subprocess.run(line, capture_output=True, check=True)
    return {"seconds": json.loads(done.stdout)["ours_s"]}


def _grainy(picture: Image.Image, draw: np.random.Generator) -> Image.Image:
    """A picture with the grain of a camera, which packs as a photograph does."""
    pixels = np.asarray(picture, np.float32)
    grain = draw.standard_normal(pixels.shape[:2], np.float32)[..., None] * GRAIN
    return Image.fromarray(np.clip(np.rint(pixels + grain), 0, 255).astype(np.uint8))


def _large(face: Image.Image) -> Image.Image:
    """A photograph of 12 megapixels with the face in its middle."""
    width, height = TWELVE_MEGAPIXELS
    high = round(height * 0.9)
    head = face.resize((round(face.width * high / face.height), high), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", TWELVE_MEGAPIXELS, face.getpixel((4, 4)))
    sheet.paste(head, ((width - head.width) // 2, height - high))
    return sheet


def _timed(source: Path, out: Path, *options: str) -> Figures:
    """Wall and CPU seconds and the peak memory of a process and its children."""
    line = [sys.executable, "-m", "tm", "infer", str(source), "--out", str(out), "--age", "45"]
    line += [*options, "--weights", "photo", "--force", "-q"]
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", _WATCH, *line], capture_output=True, check=True)
    return {"seconds": round(time.perf_counter() - began, 2), **json.loads(done.stdout)}


_WATCH = """
import json, resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = round(used.ru_utime + used.ru_stime, 2)
print(json.dumps({"cpu_seconds": cpu, "peak_mib": round(used.ru_maxrss / 1024)}))
"""
