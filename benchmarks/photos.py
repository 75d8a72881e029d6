"""What the photo prior is worth on real people whose ages are known.

Needs a folder of portraits with `people.csv` (path, person, sex, age, age_error, split) and, for
ages, a Python file with `estimators() -> {name: f(pixels, landmarks) -> years}`; it may also have
`features() -> {name: f(pixels, landmarks) -> vector}` and `person(pixels) -> (h, w) mask`. Without
the folder everything is skipped. Fits see the `train` people of the edition 2015; `pairs` fits anew
for each fifth of the people it judges.

    python benchmarks/photos.py fit --portraits DIR --out FILE [--gain 5.5 5.5]
    python benchmarks/photos.py judged --portraits DIR --evaluators FILE.py [--weights FILE]
    python benchmarks/photos.py pairs --portraits DIR [--evaluators FILE.py] [--gain 1 1]
    python benchmarks/photos.py sheet --portraits DIR --out PNG [--people 24]
"""

import argparse
import csv
import dataclasses
import importlib.util
import json
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.faces.descriptor import describe_face
from engine.faces.detect import Face, FaceFinder
from engine.images.reading import read_picture
from engine.images.saving import save_png
from engine.photo.ageing import age_subject
from engine.photo.features import FaceFeatures, features_of, view_of
from engine.photo.fit import fit_photo_model
from engine.photo.frame import extended, mean_shape
from engine.photo.model import (
    PhotoModel,
    load_photo_model,
    save_photo_model,
    uniform_gain,
)
from engine.photo.subject import prepare_subject

AGES = (35.0, 50.0, 65.0, 80.0)
FITTED, LATER = "2015", "2023"
FOLDS, DRAWS = 5, 500
SHIPPED = Path(__file__).parents[1] / "engine/shipped/photo.safetensors"
Figures = dict[str, Any]
Values = NDArray[np.float64]


class Portrait(NamedTuple):
    """A dated portrait with its face and, where a network made one, a mask of the person."""

    edition: str
    person: str
    sex: str
    age: float
    error: float
    split: str
    pixels: NDArray[np.uint8]
    face: Face
    mask: NDArray[np.float32] | None


def portraits(chosen: argparse.Namespace, tools: ModuleType | None) -> list[Portrait]:
    """Read every portrait in which a face is found."""
    finder, result = FaceFinder(), []
    masks = getattr(tools, "person", None)
    with (chosen.portraits / "people.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            pixels = read_picture(chosen.portraits / row["path"], max_megapixels=50).pixels
            faces = finder.find(pixels, every=False)
            if not faces:
                continue
            result.append(
                Portrait(
                    row["path"].split("/")[0],
                    row["person"],
                    row["sex"],
                    float(row["age"]),
                    float(row["age_error"]),
                    row["split"],
                    pixels,
                    faces[0],
                    masks(pixels) if masks is not None else None,
                )
            )
    return result


def measured(people: Sequence[Portrait], mean: NDArray[np.float32]) -> list[FaceFeatures]:
    """Features of each portrait in the frame of a mean shape."""
    return [features_of(view_of(p.pixels, p.face.landmarks, mean, p.mask), mean) for p in people]


def fitted(
    people: Sequence[Portrait], faces: Sequence[FaceFeatures], mean: NDArray[np.float32]
) -> PhotoModel:
    """The prior of some people's portraits."""
    labels = np.array([1.0 if p.sex == "M" else -1.0 for p in people])
    ages, errors = (np.array([getattr(p, name) for p in people]) for name in ("age", "error"))
    return fit_photo_model(faces, ages, errors, mean, labels)


def fit(chosen: argparse.Namespace, tools: ModuleType | None) -> Figures:
    """Fit and save the prior that ships."""
    everyone = portraits(chosen, tools)
    people = [p for p in everyone if p.edition == FITTED and p.split == "train"]
    mean = mean_shape(np.stack([extended(p.face.landmarks) for p in people]))
    model = fitted(people, measured(people, mean), mean)
    model = dataclasses.replace(model, gain=uniform_gain(*chosen.gain))
    card: Figures = {
        "what": "ageing prior for photographs: shape, colour, hair and detail by age",
        "fitted_on": "official portraits of members of the United States Congress up to 2015,"
        " public domain; people of the `train` split",
        "people": len(people),
        "women": sum(p.sex == "F" for p in people),
        "ages": [min(p.age for p in people), max(p.age for p in people)],
        "made_by": "python benchmarks/photos.py fit",
        "gain": list(chosen.gain),
        "person_masks": tools is not None and hasattr(tools, "person"),
        "licence": "MIT",
        "limits": "adults of 25 to 90, mostly white, 18 % women, studio light, smiling",
    }
    save_photo_model(chosen.out, model, card)
    return card


def judged(chosen: argparse.Namespace, tools: ModuleType | None) -> Figures:
    """Judged shift against the asked one, beside the estimators' own slope on true ages."""
    assert tools is not None, "ages need --evaluators"
    model, estimators = load_photo_model(chosen.weights), tools.estimators()
    everyone = [p for p in portraits(chosen, tools) if p.edition == FITTED]
    people = [p for p in everyone if p.split == "test"]
    rows: list[Figures] = []
    own: dict[str, list[float]] = {name: [] for name in estimators}
    for p in people:
        subject = prepare_subject(p.pixels, p.face.landmarks, model, person=p.mask)
        before = {name: f(p.pixels, p.face.landmarks) for name, f in estimators.items()}
        start = describe_face(p.pixels, p.face)
        for name, value in before.items():
            own[name].append(value)
        for goal in AGES:
            made = age_subject(subject, p.age, goal)
            gap = np.abs(made.astype(np.float32) - p.pixels).mean(axis=-1)
            rows.append(
                {
                    "person": p.person,
                    "sex": p.sex,
                    "asked": goal - p.age,
                    "goal": goal,
                    "light": float(subject.view.masks.skin_colour[0]),
                    "distance": float(np.linalg.norm(describe_face(made, p.face) - start)),
                    "background": float(gap[p.mask < 0.03].mean()) if p.mask is not None else 0.0,
                    **{
                        name: f(made, p.face.landmarks) - before[name]
                        for name, f in estimators.items()
                    },
                }
            )
    true = np.array([p.age for p in people])
    figures: Figures = {"people": len(people), "do_nothing": {"slope": 0.0}}
    for name in estimators:
        slope = float(np.polyfit(true, own[name], 1)[0])
        figures[name] = {"own": slope, **_slopes(rows, name, slope)}
    asked = np.abs([row["asked"] for row in rows])
    distance = np.array([row["distance"] for row in rows])
    figures["distance"] = float(distance.mean())
    figures["same_person"] = float((distance < 0.6).mean())
    figures["distance_by_years"] = {
        f"{low}-{high}": float(distance[(asked >= low) & (asked < high)].mean())
        for low, high in ((0, 10), (10, 20), (20, 30), (30, 60))
    }
    figures["background"] = float(np.mean([row["background"] for row in rows]))
    return figures


def _slopes(rows: Sequence[Figures], name: str, own: float) -> Figures:
    """Slopes of the judged on the asked shift, in shares of the estimator's own slope."""
    asked = np.array([row["asked"] for row in rows])
    shift = np.array([row[name] for row in rows])
    who = np.array([row["person"] for row in rows])
    sex = np.array([row["sex"] for row in rows])

    def slope(where: NDArray[Any]) -> float:
        a, s = asked[where], shift[where]
        return float((a * s).sum() / (a * a).sum() / own)

    everyone = np.arange(len(rows))
    return {
        "all": slope(everyone),
        "interval": interval(slope, who),
        "older": slope(everyone[asked > 0]),
        "younger": slope(everyone[asked < 0]),
        "women": slope(everyone[sex == "F"]),
        "men": slope(everyone[sex == "M"]),
    }


def interval(value: Callable[[NDArray[Any]], float], ids: NDArray[Any]) -> list[float]:
    """The 95 % interval of a value of rows, by drawing people anew."""
    generator, people = np.random.default_rng(0), np.unique(ids)
    rows = {person: np.flatnonzero(ids == person) for person in people}
    drawn = [
        value(np.concatenate([rows[p] for p in generator.choice(people, len(people))]))
        for _ in range(DRAWS)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return [float(low), float(high)]


class Pair(NamedTuple):
    """Two portraits of one person: rows of the earlier and the later one."""

    earlier: int
    later: int


def pairs(chosen: argparse.Namespace, tools: ModuleType | None) -> Figures:
    """Is the earlier portrait, aged, nearer to the true later one? By fits that saw neither."""
    people = portraits(chosen, tools)
    first = [p for p in people if p.edition == FITTED and p.split == "train"]
    mean = mean_shape(np.stack([extended(p.face.landmarks) for p in first]))
    faces = measured(people, mean)
    place = {(p.person, p.edition): row for row, p in enumerate(people)}
    both = [
        Pair(row, place[name, LATER])
        for (name, edition), row in place.items()
        if edition == FITTED and (name, LATER) in place
    ]
    both = [pair for pair in both if people[pair.later].age - people[pair.earlier].age > 4]
    offset = _edition_offset(people, faces, both)
    rows: list[Figures] = []
    for fold in range(FOLDS):
        held = {people[pair.earlier].person for pair in both[fold::FOLDS]}
        kept = [row for row, p in enumerate(people) if p.edition == FITTED and p.person not in held]
        model = fitted([people[row] for row in kept], [faces[row] for row in kept], mean)
        model = dataclasses.replace(model, gain=uniform_gain(*chosen.gain))
        rows += [_pair_row(people, faces, pair, model, offset) for pair in both[fold::FOLDS]]
    return {
        group: _pair_figures([row for row in rows if row["sex"] in sexes])
        for group, sexes in (("all", "MF"), ("men", "M"), ("women", "F"))
    }


def _measures(face: FaceFeatures, skin: NDArray[np.float32]) -> Values:
    """Mean log energy of the four bands over skin (80, 64), and the lightness of the hair."""
    energy = (face.detail * skin[..., None]).sum(axis=(0, 1)) / max(float(skin.sum()), 1e-6)
    hair = face.hair[0] if face.hair_pixels > 500 else np.nan
    return np.append(energy, hair).astype(np.float64)


def _edition_offset(
    people: Sequence[Portrait], faces: Sequence[FaceFeatures], both: Sequence[Pair]
) -> Values:
    """What the later edition and sharpness add to the measures, (2, 5), from people in no pair."""
    paired = {people[pair.earlier].person for pair in both}
    design, values = [], []
    for p, face in zip(people, faces, strict=True):
        if p.person not in paired:
            z = (p.age - 57) / 15
            sharp = float(face.nuisance[0])
            design.append([1.0, z, z * z, p.sex == "F", p.edition == LATER, sharp])
            values.append(_measures(face, face.skin[::2, ::2]))
    x, y = np.array(design, np.float64), np.array(values)
    columns = []
    for column in y.T:
        known = np.isfinite(column)
        columns.append(np.linalg.lstsq(x[known], column[known], rcond=None)[0][4:6])
    return np.stack(columns, axis=1)


def _pair_row(
    people: Sequence[Portrait],
    faces: Sequence[FaceFeatures],
    pair: Pair,
    model: PhotoModel,
    offset: Values,
) -> Figures:
    start, truth = people[pair.earlier], people[pair.later]
    years = truth.age - start.age
    subject = prepare_subject(start.pixels, start.face.landmarks, model, person=start.mask)
    skin = np.minimum(faces[pair.earlier].skin, faces[pair.later].skin)[::2, ::2]
    before = _measures(faces[pair.earlier], skin)
    sharper = faces[pair.later].nuisance[0] - faces[pair.earlier].nuisance[0]
    true = _measures(faces[pair.later], skin) - before - offset[0] - offset[1] * sharper
    goal = describe_face(truth.pixels, truth.face)
    row: Figures = {"person": start.person, "sex": start.sex, "years": years, "true": true}
    for name, age in (("left", start.age), ("aged", truth.age), ("wrong", start.age - years)):
        made = age_subject(subject, start.age, age)
        face = features_of(
            view_of(made, start.face.landmarks, model.mean_points, start.mask), model.mean_points
        )
        row[name] = _measures(face, skin) - before
        row[f"{name} distance"] = float(np.linalg.norm(describe_face(made, start.face) - goal))
    return row


def _pair_figures(rows: Sequence[Figures]) -> Figures:
    who = np.array([row["person"] for row in rows])
    figures: Figures = {"pairs": len(rows), "years": float(np.mean([r["years"] for r in rows]))}
    for index, name in enumerate(("band 0", "band 1", "band 2", "band 3", "hair L")):
        true, aged = (np.array([row[key][index] for row in rows]) for key in ("true", "aged"))
        known = np.isfinite(true) & np.isfinite(aged)
        t, a, ids = true[known], aged[known], who[known]
        figures[name] = {
            "true": float(t.mean()),
            "made": float(a.mean()),
            "correlation": float(np.corrcoef(t, a)[0, 1]),
            "correlation_interval": interval(_correlation_of(t, a), ids),
            "error_less_left": float((np.abs(t - a) - np.abs(t)).mean()),
            "interval": interval(_mean_of(np.abs(t - a) - np.abs(t)), ids),
        }
    left, aged, wrong = (
        np.array([row[f"{name} distance"] for row in rows]) for name in ("left", "aged", "wrong")
    )
    figures["dlib"] = {
        "left": float(left.mean()),
        "aged_less_left": float((aged - left).mean()),
        "interval": interval(_mean_of(aged - left), who),
        "wrong_less_left": float((wrong - left).mean()),
    }
    return figures


def _mean_of(values: Values) -> Callable[[NDArray[Any]], float]:
    return lambda rows: float(values[rows].mean())


def _correlation_of(a: Values, b: Values) -> Callable[[NDArray[Any]], float]:
    return lambda rows: float(np.corrcoef(a[rows], b[rows])[0, 1])


def sheet(chosen: argparse.Namespace, tools: ModuleType | None) -> Figures:
    """Test people, each as they are and at four ages, for a person to look at."""
    model = load_photo_model(chosen.weights)
    everyone = portraits(chosen, tools)
    people = [p for p in everyone if p.edition == FITTED and p.split == "test"]
    people = random.Random(chosen.seed).sample(people, min(chosen.people, len(people)))
    strips = []
    for p in people:
        subject = prepare_subject(p.pixels, p.face.landmarks, model, person=p.mask)
        row = [p.pixels, *(age_subject(subject, p.age, age) for age in AGES)]
        strips.append(np.hstack([cv2.resize(picture, (225, 275)) for picture in row]))
    halves = [np.hstack(strips[at : at + 2]) for at in range(0, len(strips) // 2 * 2, 2)]
    save_png(chosen.out, np.vstack(halves).astype(np.uint8), {"synthetic": True, "ages": AGES})
    return {"people": [f"{p.person} {p.sex} {p.age:.0f}" for p in people], "ages": AGES}


def loaded(path: Path | None) -> ModuleType | None:
    """The Python file with the networks that measure; None if there is none."""
    if path is None:
        return None
    spec = importlib.util.spec_from_file_location("evaluators", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments(lines: Iterable[str] | None = None) -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=("fit", "judged", "pairs", "sheet"))
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--evaluators", type=Path)
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--gain", type=float, nargs=2, default=(1.0, 1.0))
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(None if lines is None else list(lines))
    if chosen.what in ("fit", "sheet") and chosen.out is None:
        parser.error(f"{chosen.what} needs --out")
    if chosen.what == "judged" and chosen.evaluators is None:
        parser.error("judged needs --evaluators")
    return chosen


if __name__ == "__main__":
    asked = arguments()
    if (asked.portraits / "people.csv").is_file():
        task = {"fit": fit, "judged": judged, "pairs": pairs, "sheet": sheet}[asked.what]
        print(json.dumps(task(asked, loaded(asked.evaluators)), indent=1))
    else:
        print(f"skipped: there are no portraits at {asked.portraits}")
