"""Proof of the photo line's personal model on drawn people whose truth is known.

The prior of photographs is fitted on drawn people of the training range, by the code that fits it
on photographs; then each test person's departure from it on 10, 20 and 60 photos of ages 20 to 50,
none within 1.5 years of 25, 35 and 45. Photographs from other scenes are aged and compared with the
same photograph rendered at the target, beside the prior alone (with the gains that an age network
sets, and without any), the nearest photo and the unchanged input. Landmarks are the renderer's, for
all methods alike. What stands in --out is kept; the record is --out/report.json.

    python benchmarks/personal_photos.py --out DIR [--first 900001] [--people 20] [--seeds 1]
        [--counts 10,20,60] [--workers 2] [--age-noise 3] [--strangers 0.1] [--ablate]
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from evaluation.personal import PersonalEvaluators, TestPhotos, evaluate_method, measure_truth
from evaluation.report import row_table
from personal import HELD_AGES, INPUT_AGES, SAME_FACE, photo_ages

from engine.core.atomic import write_json, written
from engine.data.portraits import PortraitPlan, view_of
from engine.evaluators.photographs import DRAWN_IMPOSTOR_DISTANCE
from engine.images.ranges import to_tensor
from engine.images.srgb import Pixels
from engine.metrics.bootstrap import ratio_interval
from engine.nets.named import load_age_estimator, load_distance
from engine.photo.ageing import age_subject
from engine.photo.features import FaceFeatures, features_of
from engine.photo.features import view_of as face_view
from engine.photo.fit import fit_photo_model
from engine.photo.frame import Floats, extended, mean_shape
from engine.photo.gains import calibrate_gains
from engine.photo.model import SHAPES, PhotoModel
from engine.photo.personal import PARTS, fit_person, with_deviation
from engine.photo.subject import prepare_subject
from engine.runtime.pool import in_processes
from engine.worlds.portraits import identity, render
from engine.worlds.portraits.seeds import scene_seed

CPU = torch.device("cpu")
SIZE, COMPARED = 256, 128
"""Side in px of the photographs, and of what the networks compare."""
PRIOR_FIRST, PRIOR_PEOPLE, PRIOR_AGES = 150_000, 500, (18.0, 80.0)
GAIN_PEOPLE = 20
BEYOND = (55.0, 60.0)
TARGETS = (*HELD_AGES, *BEYOND)
STARTS = INPUT_AGES[::2]
STRANGER = 1_000
"""Added to a person's number: the number of whom the strangers' photos show."""
FIRST_HELD = 100
REPORT = "report.json"
NETWORKS = ("nano-identity-features", "nano-evaluator-features")
MEASURES = (*NETWORKS, "1 - identity", "age_error", "age_gap")


class Job(NamedTuple):
    """A test person, how photos are spoilt, and where what was measured is kept."""

    person: int
    seed: int
    counts: tuple[int, ...]
    age_noise: float
    strangers: float
    out: Path
    ablate: bool = False


def drawn(person: int, age: float, number: int) -> tuple[Pixels, Floats]:
    """A photograph (256, 256, 3), and its landmarks (68, 2)."""
    view = view_of(PortraitPlan(first=person, people=1, size=SIZE), scene_seed(person, number))
    portrait = render(identity(person), age, view, SIZE)
    return portrait.picture, portrait.landmarks


def features(pixels: Pixels, points: Floats, mean_points: Floats) -> FaceFeatures:
    """What the fit knows of a photograph."""
    return features_of(face_view(pixels, points, mean_points), mean_points)


def small(pictures: Pixels) -> Pixels:
    """Pictures (..., 256, 256, 3) as they are compared, (..., 128, 128, 3)."""
    rows = pictures.reshape(-1, *pictures.shape[-3:])
    size = (COMPARED, COMPARED)
    resized = np.stack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in rows])
    return resized.reshape(*pictures.shape[:-3], *resized.shape[1:]).astype(np.uint8)


def prior_ages() -> np.ndarray:
    """Ages of the people that the prior is fitted on, spread evenly, in no order."""
    ages = np.linspace(*PRIOR_AGES, PRIOR_PEOPLE)
    return np.random.default_rng(7).permutation(ages)


def _prior_face(number: int, *, mean_points: Floats) -> FaceFeatures:
    picture, points = drawn(PRIOR_FIRST + number, float(prior_ages()[number]), 0)
    return features(picture, points, mean_points)


def fitted_prior(out: Path, workers: int) -> PhotoModel:
    """The prior, from the disk if it is there."""
    path = out / "prior.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as file:
            return PhotoModel(**{name: file[name] for name in SHAPES})
    ages = prior_ages()
    known = [drawn(PRIOR_FIRST + i, float(ages[i]), 0)[1] for i in range(60)]
    mean_points = mean_shape(np.stack([extended(points) for points in known]))
    work = partial(_prior_face, mean_points=mean_points)
    faces: dict[int, FaceFeatures] = {}
    for outcome in in_processes(work, range(PRIOR_PEOPLE), workers=workers):
        assert outcome.result is not None
        faces[outcome.item] = outcome.result
    own = [faces[i] for i in range(PRIOR_PEOPLE)]
    sexes = np.sign([identity(PRIOR_FIRST + i)["sex"] for i in range(PRIOR_PEOPLE)])
    model = fit_photo_model(own, ages, np.zeros(len(ages)), mean_points, sexes)
    model = _with_gain(model, ages)
    with written(path) as file:
        np.savez(file, allow_pickle=False, **{name: getattr(model, name) for name in SHAPES})
    return model


def _with_gain(model: PhotoModel, ages: np.ndarray) -> PhotoModel:
    """The gain at which the network of the losses, which judges nothing here, sees the years."""
    estimator = load_age_estimator("nano-age", CPU)

    def years(pixels: Pixels, points: Floats) -> float:
        with torch.inference_mode():
            return float(estimator.years(to_tensor(small(pixels)))[0])

    subjects = [
        prepare_subject(*drawn(PRIOR_FIRST + i, float(ages[i]), 0), model)
        for i in range(GAIN_PEOPLE)
    ]
    return calibrate_gains(model, subjects, ages[:GAIN_PEOPLE], years)


@cache
def evaluators() -> PersonalEvaluators:
    """The measures of every process."""
    torch.set_num_threads(1)
    return PersonalEvaluators(
        load_age_estimator("nano-age-evaluator", CPU).years,
        {name: load_distance(name, CPU) for name in NETWORKS},
        DRAWN_IMPOSTOR_DISTANCE,
        SAME_FACE,
    )


def examined(job: Job, *, prior: PhotoModel) -> list[dict[str, Any]]:
    """The rows of all methods for one person, from the disk if they are there."""
    path = job.out / f"{job.person}-{job.seed}.json"
    if path.exists():
        return json.loads(path.read_text())
    numbers = range(FIRST_HELD, FIRST_HELD + len(STARTS))
    inputs = [drawn(job.person, age, n) for age, n in zip(STARTS, numbers, strict=True)]
    truth = [[drawn(job.person, target, n) for target in TARGETS] for n in numbers]
    test = TestPhotos(
        job.person,
        small(np.stack([picture for picture, _ in inputs])),
        np.asarray(STARTS, np.float32),
        np.asarray(TARGETS, np.float32),
        small(np.stack([np.stack([picture for picture, _ in row]) for row in truth])),
        np.array(
            [[points * COMPARED / SIZE for _, points in row] for row in truth], dtype=np.float32
        ),
    )
    against = measure_truth(test, evaluators())
    ages, pictures, faces = _photos(job, prior)
    told = ages + np.random.default_rng(job.person).normal(0, job.age_noise, len(ages))
    outputs = {
        "nothing": test.unchanged(),
        "nearest": test.nearest(pictures, told),
        "prior": _aged(inputs, prior),
        "prior, no gain": _aged(inputs, replace(prior, gain=np.ones_like(prior.gain))),
    }
    weights: dict[str, dict[str, float]] = {}
    for count in job.counts:
        rows = np.linspace(0, len(ages) - 1, count).round().astype(int)
        errors = np.full(count, job.age_noise)
        fit = fit_person([faces[row] for row in rows], told[rows], errors, prior)
        outputs[f"personal {count}"] = _aged(inputs, with_deviation(prior, fit.deviation))
        weights[f"personal {count}"] = _weights(fit.photos, rows, job)
        for at, part in enumerate(PARTS if job.ablate and count == job.counts[-1] else ()):
            certainty = fit.deviation.certainty.copy()
            certainty[at] = 0
            without = {part: np.zeros_like(getattr(fit.deviation, part)), "certainty": certainty}
            left = with_deviation(prior, replace(fit.deviation, **without))
            outputs[f"without {part}"] = _aged(inputs, left)
    found: list[dict[str, Any]] = []
    for method, made in outputs.items():
        for row in evaluate_method(made, against, evaluators()):
            more = {"seed": job.seed, "method": method, "1 - identity": 1 - row["identity"]}
            found.append(row | more | weights.get(method, {}))
    write_json(path, found)
    return found


def _strange(job: Job, number: int) -> bool:
    """Whether a photo of the person shows somebody else."""
    return bool(np.random.default_rng([job.person, number]).random() < job.strangers)


def _photos(job: Job, prior: PhotoModel) -> tuple[np.ndarray, Pixels, list[FaceFeatures]]:
    """The person's 60 photos: true ages, pictures as compared, features."""
    ages = np.array(photo_ages(), np.float64)
    shots: list[Pixels] = []
    faces: list[FaceFeatures] = []
    for number, age in enumerate(ages.tolist()):
        who = job.person + STRANGER * _strange(job, number)
        picture, points = drawn(who, age, number + 200 * job.seed)
        shots.append(small(picture))
        faces.append(features(picture, points, prior.mean_points))
    return ages, np.stack(shots), faces


def _weights(photos: np.ndarray, rows: np.ndarray, job: Job) -> dict[str, float]:
    strange = np.array([_strange(job, int(row)) for row in rows])
    if not strange.any() or strange.all():
        return {}
    return {
        "weight of strangers": float(photos[strange].mean()),
        "weight of the person": float(photos[~strange].mean()),
    }


def _aged(inputs: Sequence[tuple[Pixels, Floats]], model: PhotoModel) -> Pixels:
    """Every input at every target: (n, t, 128, 128, 3)."""
    made: list[Pixels] = []
    for (picture, points), age in zip(inputs, STARTS, strict=True):
        subject = prepare_subject(picture, points, model)
        made.append(np.stack([age_subject(subject, age, target) for target in TARGETS]))
    return small(np.stack(made))


def comparison(
    rows: Sequence[dict[str, Any]], method: str, than: str, targets: Sequence[float]
) -> dict[str, Any]:
    """How much lower every measure of one method is than another's, 95 % over people."""
    keyed = {
        name: {
            (row["person"], row["seed"], row["photo"], row["target"]): row
            for row in rows
            if row["method"] == name and row["target"] in targets
        }
        for name in (method, than)
    }
    result: dict[str, Any] = {"method": method, "than": than}
    people = [key[0] for key in keyed[method]]
    photos = [key[2] for key in keyed[method]]
    for measure in MEASURES:
        own = [row[measure] for row in keyed[method].values()]
        other = [keyed[than][key][measure] for key in keyed[method]]
        lower = ratio_interval(np.subtract(other, own), other, groups=people, within=photos)
        result[measure] = f"{lower.mean:+.1%} ({lower.low:+.1%}..{lower.high:+.1%})"
    return result


def means(rows: Sequence[dict[str, Any]], targets: Sequence[float]) -> list[dict[str, Any]]:
    """Means of every measure by method."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    chosen = [row for row in rows if row["target"] in targets]
    return [
        {"method": name}
        | {m: float(np.mean([r[m] for r in chosen if r["method"] == name])) for m in MEASURES}
        for name in methods
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/personal_photos"))
    parser.add_argument("--first", type=int, default=900_001)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--counts", default="10,20,60")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--age-noise", type=float, default=0.0)
    parser.add_argument("--strangers", type=float, default=0.0)
    parser.add_argument("--ablate", action="store_true", help="leave out each part of the person")
    return parser.parse_args()


def main() -> None:
    chosen = arguments()
    chosen.out.mkdir(parents=True, exist_ok=True)
    prior = fitted_prior(chosen.out, chosen.workers)
    counts = tuple(int(count) for count in chosen.counts.split(","))
    spoilt = chosen.age_noise, chosen.strangers
    folder = f"rows-{spoilt[0]:g}-{spoilt[1]:g}" + ("-parts" if chosen.ablate else "")
    jobs = [
        Job(person, seed, counts, *spoilt, chosen.out / folder, chosen.ablate)
        for seed in range(chosen.seeds)
        for person in range(chosen.first, chosen.first + chosen.people)
    ]
    jobs[0].out.mkdir(exist_ok=True)
    rows: list[dict[str, Any]] = []
    for outcome in in_processes(partial(examined, prior=prior), jobs, workers=chosen.workers):
        rows += outcome.result or []
    write_json(chosen.out / REPORT, report(rows, counts))


def report(rows: Sequence[dict[str, Any]], counts: Sequence[int]) -> dict[str, Any]:
    """Means and comparisons inside the photos' ages and beyond them; printed, and as a record."""
    people, seeds = ({row[name] for row in rows} for name in ("person", "seed"))
    record: dict[str, Any] = {
        "how": "drawn people unseen in training; prior and gains by others; 95 % over people",
        "people": len(people),
        "seeds": len(seeds),
    }
    print(f"{len(people)} people, {len(seeds)} seeds, prior and gains by others")
    for name, targets in (("held-out ages 25, 35, 45", HELD_AGES), ("55 and 60", BEYOND)):
        average = means(rows, targets)
        pairs = [(f"personal {c}", prior) for c in counts for prior in ("prior", "prior, no gain")]
        methods = dict.fromkeys(row["method"] for row in rows)
        others = ["nearest", "nothing", *(one for one in methods if one.startswith("without"))]
        pairs += [(f"personal {counts[-1]}", other) for other in others]
        lower = [comparison(rows, *pair, targets) for pair in pairs]
        print(f"\n{name}\n{row_table(average)}\n{row_table(lower)}")
        record[name] = {
            "means": {
                row.pop("method"): {k: round(v, 4) for k, v in row.items()} for row in average
            },
            "lower than": {f"{row.pop('method')}, {row.pop('than')}": row for row in lower},
        }
    for name in ("weight of strangers", "weight of the person"):
        known = [row[name] for row in rows if name in row]
        if known:
            record[name] = round(float(np.mean(known)), 3)
            print(f"{name}: {record[name]:.2f}")
    return record


if __name__ == "__main__":
    main()
