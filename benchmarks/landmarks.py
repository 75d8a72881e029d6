"""The 68 points by the face mesh against those by dlib, and the mesh's second opinion on faces.

Needs a folder of portraits with `people.csv` (path, person, split), and skips without it. The
offsets are fitted on `train` people of the edition 2015; figures are of `test` people, with 95 %
intervals over people. Truth is dlib in photographs, the renderer in the drawn world.

    python benchmarks/landmarks.py fit --portraits DIR
    python benchmarks/landmarks.py compare --portraits DIR [--photos DIR] [--aged 24] [--json]
    python benchmarks/landmarks.py opinion --portraits DIR [--photos DIR] [--json]
"""

import argparse
import csv
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from engine.core.atomic import write_text
from engine.faces.detect import Detection, Face, FaceFinder
from engine.faces.dlib_nets import hog_hits
from engine.faces.fitting import fit_points, resized
from engine.faces.mesh import TABLE, face_flag, fit_mesh, fitted_offsets, moved
from engine.geometry.ffhq import quad_of
from engine.geometry.landmarks import JAW, MOUTH, NOSE, eyes
from engine.images.reading import read_picture
from engine.inference.source_age import AgeEstimates
from engine.metrics.bootstrap import mean_interval
from engine.photo.ageing import age_subject
from engine.photo.model import load_photo_model
from engine.photo.subject import prepare_subject
from engine.weights.find import shipped_weights
from engine.worlds import portraits

SHIPPED = Path(__file__).parents[1] / "engine/shipped"
PHOTOS = Path(__file__).parents[2] / "shared" / "photos"
GROUPS = {
    "jaw": JAW, "brows": slice(17, 27), "nose": NOSE, "eyes": slice(36, 48), "mouth": MOUTH,
    "all": slice(0, 68),
}  # fmt: skip
FIRST_SEED, DRAWN = 400_000, 60
"""Validation people of the portrait world."""
ALONE = Detection(min_flag=0)
"""dlib without the second opinion."""
AGED = 75.0
THRESHOLDS = (-0.8, -0.4, -0.1, 0.3)
"""Least HOG scores of false hits; at -.1 doubtful ones begin, from .3 they count by themselves."""
Pixels = NDArray[np.uint8]
Points = NDArray[np.float64]


class Example(NamedTuple):
    """A picture with a face, who it is, and the points that count as true."""

    person: str
    pixels: Pixels
    face: Face
    truth: Points


def people(folder: Path, split: str, edition: str = "") -> Iterator[tuple[str, Pixels]]:
    """Person and picture of one part of the portraits."""
    with (folder / "people.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == split and row["path"].startswith(edition):
                yield row["person"], read_picture(folder / row["path"]).pixels


def of_portraits(folder: Path, split: str, edition: str = "") -> Iterator[Example]:
    """Portraits in which dlib finds a face, its points being the truth."""
    for person, pixels in people(folder, split, edition):
        for face in FaceFinder(ALONE).find(pixels, every=False)[:1]:
            yield Example(person, pixels, face, face.landmarks.astype(np.float64))


def of_photos(folder: Path) -> Iterator[Example]:
    """Every face in photographs, by dlib."""
    for path in sorted(folder.glob("*.jpg")):
        pixels = read_picture(path).pixels
        for face in FaceFinder(ALONE).find(pixels):
            yield Example(path.stem, pixels, face, face.landmarks.astype(np.float64))


def of_drawn() -> Iterator[Example]:
    """Drawn people as snapshots of 512 px, with the true points."""
    for seed in range(FIRST_SEED, FIRST_SEED + DRAWN):
        age = float(8 + 7 * seed % 83)
        scene = portraits.scene(seed, unaligned=1.0)
        drawn = portraits.render(portraits.identity(seed), age, scene, 512)
        for face in FaceFinder(ALONE).find(drawn.picture, every=False)[:1]:
            yield Example(str(seed), drawn.picture, face, drawn.landmarks.astype(np.float64))


def fit(chosen: argparse.Namespace) -> None:
    """Write the table of offsets that ships."""
    raw, wanted = list[Points](), list[Points]()
    for example in of_portraits(chosen.portraits, "train", "2015"):
        raw.append(fit_mesh(example.pixels, example.face.box, corrected=False).points)
        wanted.append(example.truth)
    offsets = fitted_offsets(np.stack(raw), np.stack(wanted))
    error = [_error(moved(own, offsets), true) for own, true in zip(raw, wanted, strict=True)]
    table = {
        "made": "python benchmarks/landmarks.py fit --portraits DIR",
        "about": "offsets of the 68 points from vertices of the face mesh, in eye distances along "
        "and across the eye line: means over people, the same left and right",
        "fitted_on": f"{len(raw)} people of the portraits of 2015 (split `train`), dlib's points "
        "as truth",
        "error_in_eye_distances": round(float(np.mean(error)), 4),
        "offsets": offsets.round(4).tolist(),
    }
    write_text(SHIPPED / TABLE, json.dumps(table, indent=1) + "\n")
    print(f"{len(raw)} faces: {np.mean(error):.4f} eye distances left")


def _error(points: Points, truth: Points) -> Points:
    return np.linalg.norm(points - truth, axis=1) / eyes(truth).distance


def compared(examples: Sequence[Example], fitter: Callable[[Example], Points]) -> dict[str, Any]:
    """Errors by group in eye distances, quad differences, seconds a face."""
    started = time.process_time()
    fits = [fitter(example) for example in examples]
    seconds = (time.process_time() - started) / len(examples)
    errors = np.array([_error(own, one.truth) for own, one in zip(fits, examples, strict=True)])
    names = [example.person for example in examples]
    row: dict[str, Any] = {"faces": len(examples), "cpu_ms": round(1000 * seconds, 1)}
    row |= {name: _interval(errors[:, part].mean(1), names) for name, part in GROUPS.items()}
    gaps = [
        quad_of(own).against(quad_of(one.truth)) for own, one in zip(fits, examples, strict=True)
    ]
    row["quad"] = {
        "centre": round(statistics.mean(gap.centre for gap in gaps), 4),
        "side": round(statistics.mean(abs(gap.side) for gap in gaps), 4),
        "degrees": round(statistics.mean(abs(gap.angle) for gap in gaps), 3),
    }
    return row


def _interval(values: Points, names: Sequence[str]) -> list[float]:
    """Mean and 95 % interval, resampled over people."""
    interval = mean_interval(values, groups=names, within=range(len(names)))
    return [round(value, 4) for value in interval]


def by_dlib(example: Example) -> Points:
    """The points of dlib."""
    return fit_points(example.pixels, example.face.box, rotation=example.face.rotation)


def by_mesh(example: Example) -> Points:
    """The points of the face mesh."""
    return fit_mesh(example.pixels, example.face.box, rotation=example.face.rotation).points


def by_vertices(example: Example) -> Points:
    """The bare vertices of the face mesh."""
    return fit_mesh(
        example.pixels, example.face.box, rotation=example.face.rotation, corrected=False
    ).points


def aged(examples: Sequence[Example]) -> dict[str, Any]:
    """How ages and aged pictures differ between the points of dlib and of the mesh.

    Differences in levels of 255 inside FFHQ's square; `dlib_again` fits dlib's points to a box one
    twentieth of its width off, as another detection would have it.
    """
    ages, model = AgeEstimates(), load_photo_model(shipped_weights()["photo"])
    rows: dict[str, list[float]] = defaultdict(list)
    for example in examples:
        left, top, right, bottom = example.face.box
        off = (right - left) / 20
        again = example.face.box[0] + off, top - off, right + off, bottom - off
        fits = {
            "dlib": by_dlib(example),
            "mesh": by_mesh(example),
            "dlib_again": fit_points(example.pixels, again),
        }
        years, pictures = dict[str, float](), dict[str, NDArray[np.float64]]()
        for name, points in fits.items():
            own = points.astype(np.float32)
            years[name] = ages.years(example.pixels, own, example.face.box)
            prepared = prepare_subject(example.pixels, own, model)
            pictures[name] = age_subject(prepared, 50.0, AGED).astype(np.float64)
        quad = quad_of(example.truth).corners
        (x, y), (right, bottom) = quad.min(0).clip(0).astype(int), quad.max(0).astype(int)
        change = np.abs(pictures["dlib"] - example.pixels)[y:bottom, x:right]
        rows["change"].append(float(change.mean()))
        for name in ("mesh", "dlib_again"):
            gap = np.abs(pictures[name] - pictures["dlib"])[y:bottom, x:right]
            rows[f"{name}_levels"].append(float(gap.mean()))
            rows[f"{name}_years"].append(abs(years[name] - years["dlib"]))
            rows[f"{name}_years_bias"].append(years[name] - years["dlib"])
    names = [example.person for example in examples]
    return {name: _interval(np.array(values), names) for name, values in rows.items()}


def false_hits(pixels: Pixels, apart: Sequence[Face]) -> Iterator[tuple[float, float]]:
    """HOG score and mesh flag of every hit away from the faces, down to the least threshold."""
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    for side in (512, 1024, 2048):
        copy = resized(gray, side / max(gray.shape))
        larger = gray.shape[1] / copy.shape[1]
        for hit in hog_hits(copy, min(THRESHOLDS)):
            box = tuple(edge * larger for edge in hit.box)
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            if any(_near(face, x, y) for face in apart):
                continue
            yield hit.score, face_flag(pixels, (box[0], box[1], box[2], box[3]))


def _near(face: Face, x: float, y: float) -> bool:
    left, top, right, bottom = face.box
    return abs(x - (left + right) / 2) < right - left and abs(y - (top + bottom) / 2) < bottom - top


def faceless(pixels: Pixels, face: Face) -> Pixels:
    """A portrait whose head is shuffled away: its hair, clothes and background stay."""
    left, top, right, bottom = (int(edge) for edge in face.box)
    width = right - left
    part = (
        slice(max(top - width // 2, 0), bottom + width // 3),
        slice(max(left - width // 3, 0), right + width // 3),
    )
    empty = pixels.copy()
    shuffled = np.random.default_rng(0).permutation(empty[part].reshape(-1, 3))
    empty[part] = shuffled.reshape(empty[part].shape)
    return empty


def opinion(chosen: argparse.Namespace) -> dict[str, Any]:
    """What the second opinion drops: of true faces, of drawn ones, and of false hits."""
    limit = Detection().min_flag
    train = list(of_portraits(chosen.portraits, "train", "2015"))[: chosen.most]
    report: dict[str, Any] = {"min_flag": limit, "faces": {}, "false_hits": {}}
    examples = {
        "portraits, train": train,
        "portraits, test": list(of_portraits(chosen.portraits, "test")),
        "drawn": list(of_drawn()),
    }
    for name, some in examples.items():
        flags = [face_flag(one.pixels, one.face.box, rotation=one.face.rotation) for one in some]
        report["faces"][name] = {
            "faces": len(some),
            "lost": sum(flag < limit for flag in flags),
            "least_flag": round(min(flags), 4),
        }
    hits = [
        hit
        for one in train
        for hit in false_hits(cv2.resize(faceless(one.pixels, one.face), None, fx=2, fy=2), [])
    ]
    if chosen.photos.is_dir():
        for path in sorted(chosen.photos.glob("*.jpg")):
            pixels = read_picture(path).pixels
            # The thorough search marks faces that HOG never sees.
            apart = FaceFinder(ALONE, thorough=True).find(pixels)
            hits += false_hits(pixels, apart)
    for least in THRESHOLDS:
        flags = [flag for score, flag in hits if score >= least]
        report["false_hits"][f"score from {least:g}"] = {
            "hits": len(flags),
            "removed": sum(flag < limit for flag in flags),
        }
    return report


def compare(chosen: argparse.Namespace) -> dict[str, Any]:
    """Points of the mesh against dlib's on portraits, photographs and drawn people."""
    test = list(of_portraits(chosen.portraits, "test"))
    report: dict[str, Any] = {
        "portraits of test people": {
            "bare vertices": compared(test, by_vertices),
            "mesh": compared(test, by_mesh),
        }
    }
    if chosen.photos.is_dir():
        report["photographs"] = {"mesh": compared(list(of_photos(chosen.photos)), by_mesh)}
    drawn = list(of_drawn())
    report["drawn, against the truth"] = {
        "dlib": compared(drawn, by_dlib),
        "mesh": compared(drawn, by_mesh),
    }
    report[f"aged to {AGED:g}"] = aged(test[: chosen.aged])
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("fit", "compare", "opinion"))
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--aged", type=int, default=24, help="portraits to age")
    parser.add_argument("--most", type=int, default=10_000, help="train portraits for `opinion`")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if not (chosen.portraits / "people.csv").is_file():
        print(f"skipped: `{chosen.portraits}` has no people.csv")
        return
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if chosen.what == "fit":
        fit(chosen)
        return
    report = compare(chosen) if chosen.what == "compare" else opinion(chosen)
    json.dump(report, sys.stdout, indent=None if chosen.json else 1)
    print()


if __name__ == "__main__":
    main()
