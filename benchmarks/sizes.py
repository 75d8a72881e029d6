"""How much of a figure is the size of the picture: the drawn world's own detail, and the networks.

    world        ink of the lines of age and strength of the textures by the size that is drawn
    networks     age, identity and landmarks of the same faces drawn at several sizes, and of one
                 drawing resized to them: errors by size, and how far single faces move
    photographs  age, identity and domain of aligned portraits resized, blurred, sharpened, as JPEG

    python benchmarks/sizes.py world
    python benchmarks/sizes.py networks [--people 40] [--age NAME ...] [--identity NAME]
    python benchmarks/sizes.py photographs --portraits DIR [--people 40]

Errors are means with 95 % intervals over people; `moved` compares each face with its drawing at
512 px, each photograph (of `test` people of 2023, at 256 px) with itself as it is: the quantile of
95 %, and the share within 1.5 years.
"""

import argparse
import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from engine.core.errors import MissingWeightsError
from engine.core.jsontext import to_json
from engine.core.progress import Silence
from engine.core.table import Table
from engine.data.portraits import PortraitPlan, PortraitSet, rendered
from engine.enhance.faces import cut_face, find_faces
from engine.evaluators.drawn import domain_of
from engine.faces.descriptor import describe_aligned
from engine.faces.detect import Detection
from engine.images.ranges import to_tensor, to_tensors
from engine.images.raster import Raster
from engine.metrics.bootstrap import mean_interval
from engine.nets.named import load_identity_network, load_landmark_detector
from engine.nets.protocols import AgeEstimator
from engine.trainings.age_evaluators import load_age_evaluator
from engine.worlds.portraits import identity, scene
from engine.worlds.portraits.ageing import face_at
from engine.worlds.portraits.canvas import canvas
from engine.worlds.portraits.face import express
from engine.worlds.portraits.lines import age_lines
from engine.worlds.portraits.seeds import scene_seed
from engine.worlds.portraits.textures import patch

FIRST, SCENES, REFERENCE = 987_123, 5, 512
DRAWN, FILES = (96, 128, 192, 256, 512, 1024), (96, 128, 192, 256, 384, 1024)
AGES = ("nano-age", "nano-age-evaluator", "nano-age-ordinal", "nano-age-tokens")
NEAR, BATCH, SIDE = 1.5, 50, 256
PHOTO_AGES = ("age-cc0", "dlib-age", "face-api", "faceres")
CPU = torch.device("cpu")


def world() -> dict[str, Any]:
    """Mean ink of the lines of a dozen people, and standard deviations of textures, by size."""
    sizes = (96, 112, 128, 192, 256, 384, 512, 1024)
    ink = {
        age: [round(float(np.mean([_ink(i, age, size) for i in range(12)])), 2) for size in sizes]
        for age in (40, 60, 80)
    }
    textures = {
        name: [round(float(patch(name, size, size, size, 3).std()), 2) for size in sizes]
        for name in ("grain", "pores", "speckle", "spot")
    }
    return {"sizes": sizes, "ink per mille of the canvas, by age": ink, "textures": textures}


def _ink(seed: int, age: float, size: int) -> float:
    person, view, grid = identity(seed), scene(scene_seed(seed, 1)), canvas(size)
    lines = age_lines(express(face_at(person, age), view), person.layout())
    return 1000 * float(grid.whole(grid.draw(lines, 1.1)).mean())


def pictures(people: int) -> tuple[PortraitSet, dict[str, NDArray[np.uint8]]]:
    """The same faces drawn at each size, and one drawing resized; truth by the drawing."""
    sets = {
        size: rendered(PortraitPlan(first=FIRST, people=people, scenes=SCENES, ages=1, size=size),
                       Silence())
        for size in DRAWN
    }  # fmt: skip
    shown = {f"drawn at {size}": np.array(one.pictures) for size, one in sets.items()}
    for size in FILES:
        way = cv2.INTER_AREA if size < REFERENCE else cv2.INTER_CUBIC
        shown[f"{REFERENCE} resized to {size}"] = np.stack(
            [cv2.resize(p, (size, size), interpolation=way) for p in sets[REFERENCE].pictures]
        )
    return sets[REFERENCE], shown


@torch.inference_mode()
def networks(people: int, ages: Sequence[str], embedder: str) -> dict[str, Any]:
    """Figures of every network by size."""
    truth, shown = pictures(people)
    result: dict[str, Any] = {"faces": len(truth), "ages": {}}
    for name in ages:
        estimator = load_age_evaluator(name, networks=Table(), device=CPU)
        assert estimator is not None
        result["ages"][name] = _moved(estimator, truth, shown)
    own = _each(load_identity_network(embedder, CPU).embed, shown)
    points = _each(load_landmark_detector("nano-landmarks", CPU).points, shown)
    reference = f"drawn at {REFERENCE}"
    result["identity: cosine to the drawing at 512, 5 % quantile"] = {
        name: round(float(np.quantile((rows * own[reference]).sum(1), 0.05)), 3)
        for name, rows in own.items()
    }
    result["landmarks: error in sides, per cent"] = {
        name: round(100 * _off(rows, truth.landmarks, shown[name].shape[1]), 3)
        for name, rows in points.items()
    }
    return result


def _moved(
    estimator: AgeEstimator, truth: PortraitSet, shown: dict[str, NDArray[np.uint8]]
) -> dict[str, Any]:
    years = _each(estimator.years, shown)
    rows: dict[str, Any] = {}
    for name, estimates in years.items():
        off = estimates - truth.ages
        moved = np.abs(estimates - years[f"drawn at {REFERENCE}"])
        rows[name] = {
            "mae": [round(x, 2) for x in mean_interval(np.abs(off), groups=truth.people)],
            "bias": round(float(off.mean()), 2),
            "moved_95": round(float(np.quantile(moved, 0.95)), 2),
            "within": round(float((moved <= NEAR).mean()), 3),
        }
    return rows


def _each(
    measure: Callable[[torch.Tensor], torch.Tensor], shown: dict[str, NDArray[np.uint8]]
) -> dict[str, NDArray[Any]]:
    return {
        name: torch.cat(
            [measure(to_tensors(some)) for some in np.array_split(faces, -(-len(faces) // BATCH))]
        ).numpy()
        for name, faces in shown.items()
    }


def _off(points: NDArray[Any], truth: NDArray[Any], size: int) -> float:
    """Mean distance in sides; points in pixels of pictures of `size`, truth of those of 512."""
    apart = (points + 0.5) / size - (truth + 0.5) / REFERENCE
    return float(np.linalg.norm(apart, axis=2).mean())


def variants(face: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """An aligned portrait (256, 256, 3) as files show it."""
    side = face.shape[0]

    def resized(size: int) -> NDArray[np.uint8]:
        way = cv2.INTER_AREA if size < side else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(face, (size, size), interpolation=way), np.uint8)

    def jpeg(quality: int) -> NDArray[np.uint8]:
        _, file = cv2.imencode(".jpg", face[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.ascontiguousarray(np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))[..., ::-1])

    soft = cv2.GaussianBlur(face, (0, 0), 1.5)
    return {
        "as it is": face,
        **{f"resized to {size}": resized(size) for size in (96, 128, 512, 1024)},
        "blurred, 1.5 px": np.asarray(soft, np.uint8),
        "sharpened": np.asarray(cv2.addWeighted(face, 1.8, soft, -0.8, 0), np.uint8),
        **{f"JPEG {quality}": jpeg(quality) for quality in (75, 30)},
    }


@torch.inference_mode()
def photographs(portraits: Path, people: int) -> dict[str, Any]:
    """How far ages, identity and domain of portraits move, by the networks that are here."""
    with (portraits / "people.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    paths = sorted(row["path"] for row in rows if row["path"].startswith("2023/"))
    shown: dict[str, list[NDArray[np.uint8]]] = {}
    for path in [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[:people]]:
        picture = Raster(np.asarray(Image.open(portraits / path).convert("RGB")))
        for quad in find_faces(picture, Detection())[:1]:
            for name, face in variants(cut_face(picture, quad, SIDE)).items():
                shown.setdefault(name, []).append(face)
    described = {n: np.stack([describe_aligned(f) for f in own]) for n, own in shown.items()}
    result: dict[str, Any] = {"faces": len(shown["as it is"])}
    for name in PHOTO_AGES:
        try:
            estimator = load_age_evaluator(name, networks=Table(), device=CPU)
        except MissingWeightsError:
            continue
        assert estimator is not None
        years = {
            n: np.array([float(estimator.years(to_tensor(f))) for f in own])
            for n, own in shown.items()
        }
        result[name] = {n: _apart(own, years["as it is"]) for n, own in years.items()}
    away = {n: np.linalg.norm(v - described["as it is"], axis=1) for n, v in described.items()}
    result["dlib distance to itself, 95 % quantile"] = {
        n: round(float(np.quantile(values, 0.95)), 3) for n, values in away.items()
    }
    result["taken for a drawing"] = {
        n: sum(domain_of(one) == "portraits" for one in values) for n, values in described.items()
    }
    return result


def _apart(years: NDArray[Any], own: NDArray[Any]) -> dict[str, Any]:
    moved = years - own
    mean = mean_interval(moved, groups=range(len(moved)))
    return {
        "mean": [round(x, 2) for x in mean],
        "moved_95": round(float(np.quantile(np.abs(moved), 0.95)), 2),
        "within": round(float((np.abs(moved) <= NEAR).mean()), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("part", choices=["world", "networks", "photographs"])
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--age", nargs="+", default=AGES)
    parser.add_argument("--portraits", type=Path)
    parser.add_argument("--identity", default="nano-identity")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.part == "world":
        print(to_json(world(), indent=1))
        return
    if options.part == "photographs":
        if options.portraits is None:
            parser.error("photographs needs `--portraits DIR`")
        print(to_json(photographs(options.portraits, options.people), indent=1))
        return
    print(to_json(networks(options.people, options.age, options.identity), indent=1))


if __name__ == "__main__":
    main()
