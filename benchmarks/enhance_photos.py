"""`tm enhance --steps esrgan` on photographs: Real-ESRGAN x4plus of the extra `photos`, doubled.

    quality  portraits of `test` people and other photographs, degraded by a known process (blur,
             half the size, noise, JPEG; seeded) and restored: against the truth, beside bicubic,
             with and without the guard; 95 % intervals by bootstrap over people
    speed    a photograph of 512 px four times larger: seconds and peak memory of a process, by tm
             in one piece, in tiles and in half precision, and by a plain call of spandrel

    python benchmarks/enhance_photos.py quality --portraits DIR [--photos DIR] [--people 12]
                                                [--precision bfloat16]
    python benchmarks/enhance_photos.py speed --photos DIR

The CC0 network is the guard's own where MiVOLO is absent: its drift under the guard is what the
guard allows. FaceRes is in no guard; its rows are null unless `tm weights pull faceres` was done.
x4plus takes 3 to 7 s of one core for a portrait halved to 112-168 px, less than half of it in
bfloat16: a dozen take minutes.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from engine.core.errors import MissingWeightsError
from engine.enhance.base import Made, PictureStep, StepChoice
from engine.enhance.chain import Chain
from engine.enhance.face_evaluators import FaceEvaluators
from engine.enhance.faces import cut_face, find_faces
from engine.enhance.guard import GuardLimits
from engine.enhance.models import read_model
from engine.enhance.recipe import load_enhance
from engine.evaluators.photo_impostors import Cell, impostors_of
from engine.faces.descriptor import aligned_box, describe_aligned
from engine.faces.detect import Detection
from engine.faces.fitting import fit_points
from engine.images.ranges import to_tensor
from engine.images.raster import Raster, enlarged_plane
from engine.metrics.bootstrap import mean_interval
from engine.metrics.pixels import psnr
from engine.nets.photos.age_cc0 import PADDING as AGE_PADDING
from engine.nets.photos.crops import dlib_chip
from engine.nets.photos.estimator import Cc0Estimator
from engine.nets.photos.faceres import PADDING, SIZE, FaceRes, load_faceres
from engine.weights.packages import packaged_file

CPU = torch.device("cpu")
SCALE, FACE, LARGE = 2, 256, 512
BLUR, NOISE, QUALITY = 1.0, 4.0, 60
"""Sigma of the blur in px of the original, of the noise in levels, and JPEG's quality."""
WAYS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "tm": (),
    "tm-tiles": ("tile=192",),
    "tm-bfloat16": ("precision='bfloat16'",),
}
"""What `speed` compares, and the settings of the step."""
METHODS = ("bicubic", "guarded", "unguarded")
Pixels = NDArray[np.uint8]


def degraded(truth: Pixels, seed: int) -> Pixels:
    """A picture (h, w, 3) of even sides blurred, halved, made noisy and compressed."""
    height, width = truth.shape[:2]
    blurred = cv2.GaussianBlur(truth, (0, 0), BLUR)
    half = cv2.resize(blurred, (width // SCALE, height // SCALE), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(seed).normal(0, NOISE, half.shape)
    noisy = np.rint(np.clip(half + noise, 0, 255)).astype(np.uint8)
    _, coded = cv2.imencode(".jpg", noisy[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])


def read(path: Path, longest: int | None = None) -> Pixels:
    """A picture in RGB with even sides, shrunk to a longest side."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    if longest is not None:
        picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    pixels = np.asarray(picture)
    return np.ascontiguousarray(pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2])


class Once:
    """A step that computes a picture once: with and without the guard it is the same result."""

    def __init__(self, step: PictureStep) -> None:
        self.step, self.model, self.scale = step, step.model, step.scale
        self.declines = step.declines
        self._given: Pixels | None = None
        self._made: Made | None = None

    def apply(self, picture: Raster, used: dict[str, Any] | None = None) -> Made:
        if self._made is None or not np.array_equal(self._given, picture.pixels):
            self._given, self._made = picture.pixels.copy(), self.step.apply(picture, used)
        return Made(Raster(self._made.picture.pixels.copy()), dict(self._made.used))


def chosen(outscale: int, *more: str) -> tuple[StepChoice, ...]:
    """The one step of the chain, at a scale and with settings of its own."""
    settings = [f"steps.esrgan.{one}" for one in more]
    return load_enhance("enhance/old_photo", settings, steps="esrgan", outscale=outscale).steps


def chains(precision: str) -> dict[str, Chain]:
    """The chain with and without the guard, around one network that computes a picture once."""
    steps = chosen(SCALE, f"precision={precision!r}")
    evaluators = FaceEvaluators("cpu")
    made = {
        name: Chain(
            steps,
            CPU,
            guard=GuardLimits(on=name == "guarded", domain="photos"),
            detection=Detection(),
            evaluators=evaluators,
        )
        for name in METHODS[1:]
    }
    once: Any = Once(made["guarded"].step(0, "photos"))
    for chain in made.values():
        chain.step = lambda index, domain: once
    return made


class Measures:
    """What a picture is compared by; its faces at the truth's places and points."""

    def __init__(self) -> None:
        self.cc0 = Cc0Estimator(CPU, margins=(AGE_PADDING,))
        try:
            self.faceres: FaceRes | None = load_faceres().eval()
        except MissingWeightsError:
            self.faceres = None

    @torch.inference_mode()
    def face(self, face: Pixels, points: NDArray[np.float64]) -> dict[str, Any]:
        """Descriptor, CC0 age, FaceRes features and age of an aligned face."""
        own = torch.from_numpy(fit_points(face, aligned_box(face.shape[0])))
        row: dict[str, Any] = {
            "dlib": describe_aligned(face, points),
            "cc0": self.cc0.raw_years(to_tensor(face), own),
        }
        if self.faceres is not None:
            chip = dlib_chip(torch.from_numpy(points)[None], SIZE, PADDING).cut(to_tensor(face))
            found = self.faceres(chip)
            row |= {"features": found.features[0].numpy(), "faceres": float(found.years)}
        return row

    def compare(self, truth: Pixels, pictures: dict[str, Pixels]) -> dict[str, dict[str, float]]:
        """The figures of each picture of one photograph against its truth."""
        rows = {
            name: {"psnr": float(psnr(to_tensor(p), to_tensor(truth)))}
            for name, p in pictures.items()
        }
        quads = find_faces(Raster(truth), Detection())
        if not quads:
            return rows
        faces = {
            name: cut_face(Raster(p), quads[0], FACE)
            for name, p in {"truth": truth, **pictures}.items()
        }
        points = fit_points(faces["truth"], aligned_box(FACE))
        found = {name: self.face(face, points) for name, face in faces.items()}
        for name, row in rows.items():
            distance = float(np.linalg.norm(found[name]["dlib"] - found["truth"]["dlib"]))
            row |= {
                "dlib_distance": distance,
                "identity": 1 - distance / impostors_of(Cell()).distance,
            }
            for judge in ("cc0", "faceres") if self.faceres is not None else ("cc0",):
                years = found[name][judge]
                row[f"age_off_truth_{judge}"] = years - found["truth"][judge]
                row[f"age_drift_{judge}"] = years - found["bicubic"][judge]
            if self.faceres is not None:
                one, other = found[name]["features"], found["truth"]["features"]
                cosine = one @ other / (np.linalg.norm(one) * np.linalg.norm(other))
                row["faceres_distance"] = float(1 - cosine)
        return rows


def quality(files: Sequence[Path], longest: int | None, precision: str) -> dict[str, Any]:
    """Figures of every photograph, and their means with intervals."""
    measures, both, rows = Measures(), chains(precision), dict[str, Any]()
    for seed, file in enumerate(files):
        truth = read(file, longest)
        small, began = degraded(truth, seed), time.process_time()
        done = {name: chain.run(lambda small=small: Raster(small.copy()))
                for name, chain in both.items()}  # fmt: skip
        seconds = time.process_time() - began
        pictures = {"bicubic": enlarged_plane(small, SCALE)}
        pictures |= {name: one.picture.pixels for name, one in done.items()}
        row: dict[str, Any] = measures.compare(truth, pictures)
        row["guarded"]["strength"] = done["guarded"].steps[0]["strength"]
        rows[file.stem] = row
        print(f"{file.stem}: {seconds:.0f} s of CPU", file=sys.stderr)
    return {"photographs": len(rows), **summary(list(rows.values()))}


def summary(rows: Sequence[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Mean and 95 % interval of each figure and method; of ages also the mean size."""
    result: dict[str, Any] = {}
    for method in METHODS:
        result[method] = {}
        for figure in dict.fromkeys(key for row in rows for key in row[method]):
            values = np.array([row[method][figure] for row in rows if figure in row[method]])
            result[method][figure] = with_interval(values)
            if figure.startswith("age_"):
                result[method][f"{figure}_abs"] = with_interval(np.abs(values))
    gains = {
        figure: [
            row["unguarded"][figure] - row["bicubic"][figure]
            for row in rows
            if figure in row["bicubic"]
        ]
        for figure in result["bicubic"]
        if "age" not in figure
    }
    result["unguarded minus bicubic"] = {k: with_interval(np.array(v)) for k, v in gains.items()}
    return result


def with_interval(values: NDArray[Any]) -> list[float]:
    """Mean and 95 % interval over photographs, each of another person."""
    return [round(value, 4) for value in mean_interval(values, groups=range(len(values)))]


def test_people(portraits: Path, count: int) -> list[Path]:
    """Seeded choice of pictures of 2023 whose people are `test`, one a person."""
    with (portraits / "people.csv").open(encoding="utf-8") as file:
        paths = sorted(
            row["path"] for row in csv.DictReader(file)
            if row["split"] == "test" and row["path"].startswith("2023/")
        )  # fmt: skip
    order = np.random.default_rng(0).permutation(len(paths))[:count]
    return [portraits / paths[index] for index in order]


def speed(photo: Path) -> dict[str, Any]:
    """All ways in processes of their own, one after the other, on one thread."""
    result: dict[str, Any] = {}
    for way in WAYS:
        line = [sys.executable, __file__, way, "--photos", str(photo)]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        result[way] = json.loads(done.stdout)
    return result


def one(way: str, photo: Path) -> dict[str, Any]:
    """A photograph of 512 px four times larger, here; loading is not counted in the seconds."""
    torch.set_num_threads(1)
    pixels = read(photo, LARGE)
    if way != "plain":
        choice: Any = chosen(4, *WAYS[way])[0]
        step = choice.build(choice.model(CPU), CPU)
    else:
        net = read_model(packaged_file("esrgan-x4plus-bin")).net
    began, used = time.perf_counter(), time.process_time()
    if way != "plain":
        made = step.apply(Raster(pixels)).picture.pixels
    else:
        with torch.inference_mode():
            made = (net((to_tensor(pixels) + 1) / 2)[0].clamp(0, 1) * 255).round().byte().numpy()
    seconds = time.perf_counter() - began
    return {
        "size": [pixels.shape[1], pixels.shape[0]],
        "pixels_made": int(made.size // 3),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("quality", "speed", *WAYS))
    parser.add_argument("--portraits", type=Path, help="folder with `2023` and `people.csv`")
    parser.add_argument("--photos", type=Path, help="a folder of photographs; of `speed` a file")
    parser.add_argument("--people", type=int, default=12)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    options = parser.parse_args()
    os.environ.setdefault("TM_OFFLINE", "1")
    torch.set_num_threads(1)
    if options.what in WAYS:
        print(json.dumps(one(options.what, options.photos)))
        return
    if options.what == "speed":
        if options.photos is None or not options.photos.is_file():
            sys.exit("speed needs `--photos FILE`")
        print(json.dumps(speed(options.photos), indent=2))
        return
    for name, folder in (("portraits", options.portraits), ("photos", options.photos)):
        if folder is None or not folder.is_dir():
            print(f"{name} skipped: no folder", file=sys.stderr)
            continue
        if name == "portraits":
            files, longest = test_people(folder, options.people), None
        else:
            files, longest = sorted(folder.glob("*.jpg")), LARGE
        print(json.dumps({name: quality(files, longest, options.precision)}, indent=2), flush=True)


if __name__ == "__main__":
    main()
