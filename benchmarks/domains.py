"""Drawn faces from photographs by dlib's descriptor, and by the nano encoder beside it.

Needs a folder of portraits with `people.csv` (path, person, split), and skips without it. `fit`
writes the linear function that ships, of `train` people of the edition 2015 and of drawn people
that nets may be trained on; `exam` judges `test` people of both editions and drawn people from
900,000 on. Photographs are taken as they are and spoilt: blurred, dark, pale, grey, noisy.

    python benchmarks/domains.py fit --portraits DIR
    python benchmarks/domains.py exam --portraits DIR
"""

import argparse
import csv
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from engine.core.atomic import write_text
from engine.evaluators.drawn import TABLE, THRESHOLD, drawn_score
from engine.faces.detect import Detection, FaceFinder
from engine.images.ranges import to_tensor
from engine.images.reading import read_picture
from engine.nets.loading import frozen
from engine.nets.photos.crops import dlib_chip
from engine.nets.photos.dlib_resnet import PADDING, SIZE, DlibResNet, load_dlib_resnet
from engine.worlds import portraits

SHIPPED = Path(__file__).parents[1] / "engine/shipped"
DRAWN_FIT, DRAWN_EXAM = 20_000, 900_500
"""First people: those that the age networks learn from, and the test people."""
RIDGE = 1e-3
BATCH = 16
SIZES = (128, 256, 512)
Pixels = NDArray[np.uint8]


def _noisy(pixels: Pixels) -> Pixels:
    noise = np.random.default_rng(0).normal(0, 30, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


SPOILT: dict[str, Callable[[Pixels], Pixels]] = {
    "as it is": lambda p: p,
    "blurred": lambda p: np.asarray(cv2.GaussianBlur(p, (0, 0), 3), np.uint8),
    "dark": lambda p: (p * 0.15).astype(np.uint8),
    "pale": lambda p: (p * 0.5 + 115).astype(np.uint8),
    "grey": lambda p: np.repeat(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2),
    "noisy": _noisy,
}


def photographs(folder: Path, split: str, edition: str) -> Iterator[tuple[Pixels, NDArray]]:
    """Portraits with dlib's points."""
    with (folder / "people.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == split and row["path"].startswith(edition):
                pixels = read_picture(folder / row["path"]).pixels
                for face in FaceFinder(Detection(min_flag=0)).find(pixels, every=False)[:1]:
                    yield pixels, face.landmarks


def drawings(first: int, count: int) -> Iterator[tuple[Pixels, NDArray]]:
    """Drawn people of three sizes, every third as a snapshot, their points off as detected ones."""
    for number in range(count):
        seed, size = first + number, SIZES[number % 3]
        scene = portraits.scene(seed, unaligned=float(number % 3 == 2))
        age = float(8 + 7 * number % 85)
        drawn = portraits.render(portraits.identity(seed), age, scene, size)
        off = np.random.default_rng(seed).normal(0, 0.004 * size, (1, 2))
        yield drawn.picture, (drawn.landmarks + off).astype(np.float32)


@torch.inference_mode()
def described(net: DlibResNet, faces: Iterator[tuple[Pixels, NDArray]]) -> NDArray[np.float32]:
    """Descriptors (n, 128)."""
    vectors = list[torch.Tensor]()
    while some := list(islice(faces, BATCH)):
        chips = [
            dlib_chip(torch.from_numpy(points)[None], SIZE, PADDING).cut(to_tensor(pixels))
            for pixels, points in some
        ]
        vectors.append(net(torch.cat(chips)))
    return torch.cat(vectors).numpy()


def spoilt(faces: Sequence[tuple[Pixels, NDArray]]) -> Iterator[tuple[Pixels, NDArray]]:
    """Every face, as it is and spoilt in each way."""
    for spoil in SPOILT.values():
        for pixels, points in faces:
            yield np.ascontiguousarray(spoil(pixels)), points


def fit(folder: Path) -> None:
    """Write the table that ships: a ridge regression, both kinds weighing the same."""
    net = frozen(load_dlib_resnet())
    faces = list(photographs(folder, "train", "2015"))
    photos = described(net, spoilt(faces))
    drawn = described(net, spoilt(list(drawings(DRAWN_FIT, 150))))
    x = np.concatenate([photos, drawn]).astype(np.float64)
    y = np.repeat([1.0, -1.0], [len(photos), len(drawn)])
    weight = np.repeat([0.5 / len(photos), 0.5 / len(drawn)], [len(photos), len(drawn)])
    mean = weight @ x
    away = x - mean
    scatter = (away * weight[:, None]).T @ away
    weights = np.linalg.solve(scatter + RIDGE * np.eye(128), (away * weight[:, None]).T @ y)
    table = {
        "made": "python benchmarks/domains.py fit --portraits DIR",
        "about": "photographs about 1, drawn faces about -1: descriptor @ weights + bias",
        "fitted_on": f"{len(faces)} portraits of 2015 (split `train`), and 150 drawn people from "
        f"{DRAWN_FIT} on, as they are and {len(SPOILT) - 1} ways spoilt",
        "bias": round(float(-mean @ weights), 5),
        "weights": weights.round(4).tolist(),
    }
    write_text(SHIPPED / TABLE, json.dumps(table) + "\n")


def exam(folder: Path) -> None:
    """Print how many are taken for drawings."""
    net = frozen(load_dlib_resnet())
    faces = list(photographs(folder, "test", ""))
    drawn_faces = list(drawings(DRAWN_EXAM, 100))
    sets = {
        f"{kind}, {name}": [(np.ascontiguousarray(spoil(p)), points) for p, points in some]
        for kind, some in (("photographs", faces), ("drawn", drawn_faces))
        for name, spoil in SPOILT.items()
    }
    print(f"{'':24} faces  taken for drawings  scores from..to")
    for name, some in sets.items():
        scores = [drawn_score(one) for one in described(net, iter(some))]
        drawn = sum(score < THRESHOLD for score in scores)
        low, high = min(scores), max(scores)
        print(f"{name:24} {len(some):5} {drawn:19}  {low:.2f}..{high:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("fit", "exam"))
    parser.add_argument("--portraits", type=Path, required=True)
    chosen = parser.parse_args()
    if not (chosen.portraits / "people.csv").is_file():
        print(f"skipped: `{chosen.portraits}` has no people.csv")
        return
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    (fit if chosen.what == "fit" else exam)(chosen.portraits)


if __name__ == "__main__":
    main()
