"""Alignment, ours on two processes against the plain published procedure on one.

    .venv/bin/python benchmarks/align.py [--rounds 2] [--json]

Both read the same JPEG files and make 256 px crops that are thrown away. They take turns batch by
batch in one run, the order of the pair alternating; models are loaded and processes started before
the clock. Two tasks: the largest face of a picture (the published code keeps its last detection),
and all its faces. Composites know where their faces are; finds elsewhere count as false.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
import scipy.ndimage
from PIL import Image, ImageOps
from skimage.data import astronaut

from engine.faces.crop import crop_face
from engine.faces.detect import FaceFinder
from engine.faces.files import POINTS_68, dlib_file
from engine.geometry.ffhq import quad_of
from engine.images.reading import read_picture
from engine.worlds import portraits

PROCESSES, SIZE, BATCH = 2, 256, 6
PHOTOS = Path(__file__).parents[2] / "shared" / "photos"
# Validation seeds of the portrait world (contract).
FIRST_SEED = 400_000
KNOWN = {"migrant_mother_1936": [(448.0, 390.0, 265.0)], "astronaut": [(221.0, 122.0, 90.0)]}
# Long side, and how many faces of which width; 0 renders one wild portrait frame-filling.
LAYOUTS = [
    (800, [90]), (800, [300]), (900, [70, 200]), (1000, [120]), (1000, [64, 90, 130]),
    (1200, [400]), (1200, [100, 60]), (1400, [250, 80]), (1500, [500]), (1600, [70] * 6),
    (1600, [150]), (1800, [110, 220, 64]), (2000, [600]), (2000, [90] * 8), (2200, [180, 75]),
    (2400, [300]), (2400, [100] * 5), (2600, [700]), (2800, [130, 260, 390]), (3000, [80] * 10),
    (3000, [900]), (3000, [120]),
]  # fmt: skip

Box = tuple[float, float, float, float]
Face = tuple[float, float, float]
"""Centre x, centre y, width."""


@dataclass(frozen=True, slots=True)
class Task:
    """One picture file and the faces known to be on it."""

    path: Path
    faces: tuple[Face, ...]


def composite(number: int, long: int, widths: Sequence[int]) -> tuple[np.ndarray, list[Face]]:
    """Paste faces, tilted by up to 20 degrees, on the cells of a textured ground."""
    rng = np.random.default_rng(number)
    height, width = round(long * 2 / 3), long
    ground = np.zeros((height, width, 3), np.float32)
    for cell in (8, 32, 128, 512):
        noise = rng.normal(0, 12 + cell / 16, (height // cell + 2, width // cell + 2, 3))
        ground += cv2.resize(noise.astype(np.float32), (width, height))
    ground = np.clip(ground + rng.uniform(80, 160, 3), 0, 255).astype(np.float32)
    columns = int(np.ceil(np.sqrt(len(widths) * 1.5)))
    rows = int(np.ceil(len(widths) / columns))
    faces = []
    for at, size in enumerate(widths):
        patch, (x, y, face) = portrait(number * 10 + at)
        room = min(width / columns, height / rows) / patch.shape[0] * 0.98
        scale = min(size / face, room)
        centre = ((at % columns + 0.5) * width / columns, (at // columns + 0.5) * height / rows)
        tilt = rng.uniform(-20, 20) if scale < room * 0.7 else 0.0
        middle = (patch.shape[1] / 2, patch.shape[0] / 2)
        matrix = cv2.getRotationMatrix2D(middle, tilt, scale)
        matrix[:, 2] += np.array(centre) - middle
        mask = np.ones(patch.shape[:2], np.float32)
        small = cv2.GaussianBlur(patch, (0, 0), max(0.4 / scale - 0.4, 0.01))
        warped = cv2.warpAffine(small, matrix, (width, height), flags=cv2.INTER_CUBIC)
        cover = cv2.warpAffine(mask, matrix, (width, height))[..., None]
        ground = ground * (1 - cover) + warped * cover
        x, y = matrix @ [x, y, 1]
        faces.append((float(x), float(y), face * scale))
    return np.clip(ground, 0, 255).astype(np.uint8), faces


@cache
def portrait(number: int) -> tuple[np.ndarray, Face]:
    """Give every third face to the astronaut, the others to the portrait world in the wild."""
    if number % 3 == 0:
        return astronaut()[0:300, 80:380].copy(), (141.0, 122.0, 90.0)
    seed = FIRST_SEED + number
    shot = portraits.render(
        portraits.identity(seed), 20.0 + seed % 50, portraits.scene(seed, unaligned=1.0), 512
    )
    (left, top), (right, bottom) = shot.landmarks.min(axis=0), shot.landmarks.max(axis=0)
    return shot.picture, (
        float(left + right) / 2, float(top + bottom) / 2, float(right - left),
    )  # fmt: skip


def pictures(folder: Path) -> list[Task]:
    """Write the whole set as JPEG files."""
    made = [("astronaut", astronaut(), KNOWN["astronaut"])]
    if PHOTOS.is_dir():
        for photo in sorted(PHOTOS.glob("*.jpg")):
            pixels = read_picture(photo, max_megapixels=100).pixels
            made.append((photo.stem, pixels, KNOWN.get(photo.stem, [])))
    for number, (long, widths) in enumerate(LAYOUTS):
        made.append((f"composite_{number:02}", *composite(number, long, widths)))
    tasks = []
    for name, pixels, faces in made:
        Image.fromarray(pixels).save(folder / f"{name}.jpg", quality=92)
        tasks.append(Task(folder / f"{name}.jpg", tuple(faces)))
    return tasks


def ours(task: Task, every: bool) -> list[Box]:
    """Read, find and crop as `tm prep align` does."""
    cv2.setNumThreads(1)
    pixels = read_picture(task.path, max_megapixels=250).pixels
    faces = FaceFinder().find(pixels, every=every)
    if not every:
        faces = faces[:1]
    for face in faces:
        crop_face(pixels, quad_of(face.landmarks), SIZE)
    return [face.box for face in faces]


@cache
def published_models() -> tuple[Any, Any]:
    return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(dlib_file(POINTS_68)))


def published(task: Task, every: bool) -> list[Box]:
    """Follow `align_all_parallel.py`: HOG at upsample 1 on the full picture, the last face."""
    detector, predictor = published_models()
    image = ImageOps.exif_transpose(Image.open(task.path)).convert("RGB")
    pixels = np.array(image)
    boxes = list(detector(pixels, 1))
    for box in boxes if every else boxes[-1:]:
        shape = predictor(pixels, box)
        published_crop(image, np.array([(part.x, part.y) for part in shape.parts()], float))
    kept = boxes if every else boxes[-1:]
    return [(box.left(), box.top(), box.right(), box.bottom()) for box in kept]


def published_crop(image: Image.Image, points: np.ndarray) -> Image.Image:
    """Shrink, crop, pad and warp as published (`specs/mytm.md` 1.4)."""
    corners = quad_of(points)
    quad, side = corners.corners.copy(), corners.side
    shrink = int(np.floor(side / SIZE * 0.5))
    if shrink > 1:
        size = tuple(int(np.rint(n / shrink)) for n in image.size)
        image, quad, side = (
            image.resize(size, Image.Resampling.LANCZOS),
            quad / shrink,
            side / shrink,
        )
    border = max(int(np.rint(side * 0.1)), 3)
    low, high = np.floor(quad.min(0)).astype(int), np.ceil(quad.max(0)).astype(int)
    crop = (*np.maximum(low - border, 0), *np.minimum(high + border, image.size))
    if crop[2] - crop[0] < image.size[0] or crop[3] - crop[1] < image.size[1]:
        image, quad = image.crop(tuple(int(n) for n in crop)), quad - crop[:2]
    low, high = np.floor(quad.min(0)).astype(int), np.ceil(quad.max(0)).astype(int)
    pad = np.maximum([*(border - low), *(high - image.size + border)], 0)
    if pad.max() > border - 4:
        pad = np.maximum(pad, int(np.rint(side * 0.3)))
        wide = np.pad(np.float32(image), ((pad[1], pad[3]), (pad[0], pad[2]), (0, 0)), "reflect")
        h, w, _ = wide.shape
        y, x, _ = np.ogrid[:h, :w, :1]
        mask = np.maximum(
            1.0 - np.minimum(np.float32(x) / pad[0], np.float32(w - 1 - x) / pad[2]),
            1.0 - np.minimum(np.float32(y) / pad[1], np.float32(h - 1 - y) / pad[3]),
        )
        blur = scipy.ndimage.gaussian_filter(wide, [side * 0.02, side * 0.02, 0])
        wide += (blur - wide) * np.clip(mask * 3.0 + 1.0, 0.0, 1.0)
        wide += (np.median(wide, axis=(0, 1)) - wide) * np.clip(mask, 0.0, 1.0)
        image = Image.fromarray(np.uint8(np.clip(np.rint(wide), 0, 255)))
        quad = quad + pad[:2]
    edges = (quad + 0.5).flatten().tolist()
    return image.transform((SIZE, SIZE), Image.Transform.QUAD, edges, Image.Resampling.BILINEAR)


def matched(boxes: Sequence[Box], faces: Sequence[Face]) -> tuple[set[int], int]:
    """Tell which known faces were found, and how many boxes show none."""
    found, wrong = set(), 0
    for left, top, right, bottom in boxes:
        x, y = (left + right) / 2, (top + bottom) / 2
        near = [
            n for n, (fx, fy, width) in enumerate(faces) if np.hypot(x - fx, y - fy) < width / 2
        ]
        found.update(near[:1])
        wrong += not near
    return found, wrong


def measure(
    tasks: list[Task], pool: ProcessPoolExecutor, every: bool, rounds: int
) -> dict[str, Any]:
    """Let both work through the same batches in turn; seconds are medians over rounds, summed."""
    sides: dict[str, Callable[[list[Task]], list[list[Box]]]] = {
        "published": lambda batch: [published(task, every) for task in batch],
        "ours": lambda batch: list(pool.map(partial(ours, every=every), batch)),
    }
    batches = [tasks[at : at + BATCH] for at in range(0, len(tasks), BATCH)]
    seconds = {name: [[0.0] * rounds for _ in batches] for name in sides}
    boxes: dict[str, list[list[Box]]] = {name: [] for name in sides}
    for round_ in range(rounds):
        for number, batch in enumerate(batches):
            for name in list(sides)[:: 1 if (round_ + number) % 2 else -1]:
                start = time.perf_counter()
                result = sides[name](batch)
                seconds[name][number][round_] = time.perf_counter() - start
                if round_ == 0:
                    boxes[name] += result
    report: dict[str, Any] = {"pictures": len(tasks), "known": sum(len(t.faces) for t in tasks)}
    hits: dict[str, set[tuple[int, int]]] = {}
    for name in sides:
        told = [matched(found, task.faces) for found, task in zip(boxes[name], tasks, strict=True)]
        hits[name] = {(at, face) for at, (faces, _) in enumerate(told) for face in faces}
        total = sum(statistics.median(times) for times in seconds[name])
        report[name] = {
            "seconds": round(total, 2),
            "pictures_per_second": round(len(tasks) / total, 2),
            "pictures_with_a_face": sum(bool(faces) for faces, _ in told),
            "faces": len(hits[name]),
            "false": sum(wrong for _, wrong in told),
        }
    missed = sorted(hits["published"] - hits["ours"]) if every else []
    report["found_by_published_only"] = [[tasks[at].path.stem, face] for at, face in missed]
    report["times_as_fast"] = round(report["published"]["seconds"] / report["ours"]["seconds"], 2)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool,
    ):
        tasks = pictures(Path(folder))
        warm = [tasks[0]] * PROCESSES * 2
        list(pool.map(partial(ours, every=True), warm))
        published(tasks[0], every=True)
        report = {
            name: measure(tasks, pool, every, asked.rounds)
            for name, every in (("largest", False), ("all", True))
        }
    if asked.json:
        json.dump(report, sys.stdout, indent=1)
        return
    for name, told in report.items():
        print(f"{name}: {told['pictures']} pictures, {told['known']} known faces")
        print("             pictures/s  pictures with a face  faces  false")
        for side in ("published", "ours"):
            row = told[side]
            print(
                f"  {side:<10} {row['pictures_per_second']:>10} {row['pictures_with_a_face']:>21}"
                f" {row['faces']:>6} {row['false']:>6}"
            )
        missed = told["found_by_published_only"]
        print(f"  {told['times_as_fast']} times as fast; found by the published only: {missed}")


if __name__ == "__main__":
    main()
