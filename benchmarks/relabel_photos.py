"""Benchmark of `tm relabel` on photographs: public-domain portraits of people of known age.

The folder holds `2015/`, `2023/` and `people.csv` (`path, person, sex, age, age_error, split`).
With `--fit` the line of the expert `dlib-age` and the shipped calibrations are fitted on the train
people of 2015, by `age_error` as the known deviation of the labels; the calibrations see what lines
fitted without that person predict. Without it the shipped ones are evaluated on the `test` people.
The experts that npm brings take part where they are here. Nobody in the folder is under 25.

    python benchmarks/relabel_photos.py --portraits DIR [--work DIR] [--fit]
"""

import argparse
import csv
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from evaluation.age_head import fit_head, seen
from numpy.typing import NDArray

from engine.app.relabel import RelabelRequest, plan_relabel
from engine.core.atomic import write_json
from engine.core.progress import Silence
from engine.experts.mixture import Calibration, Fusion, Predictions, fuse
from engine.metrics.age import bias, mae
from engine.metrics.age_calibration import (
    coverage_error,
    expected_calibration_error,
    probability_within,
    reliability_bins,
)
from engine.metrics.bootstrap import mean_interval
from engine.relabel.fit import Fitting, fit_calibration
from engine.relabel.inference import predict, predictions_of
from engine.runtime.pool import cores

SHIPPED = Path(__file__).parents[1] / "engine" / "shipped" / "photo-relabel.json"
HEAD = SHIPPED.with_name("dlib-age.safetensors")
EXPERTS = ("age-cc0", "dlib-age", "face-api", "faceres")
SETS = (
    ("age-cc0",),
    ("dlib-age",),
    ("age-cc0", "dlib-age"),
    ("age-cc0", "dlib-age", "face-api"),
    ("age-cc0", "dlib-age", "faceres"),
    ("age-cc0", "dlib-age", "face-api", "faceres"),
)
PEOPLE = (
    "the 517 train people of 639 official portraits published up to 2015 (public domain): "
    "adults of 25 to 93, median 57, 18 % women, mostly white; no children"
)
EDITIONS = ("2015", "2023")
LEAST, MOST, SEEDS = 15.0, 30.0, 20
BANDS = (25, 45, 60, 75, 100)
WITHIN = 5.0
UNIFORM = (18.0, 90.0)


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Pictures with their predictions, and (n,) what is known of the people in them."""

    predictions: Predictions
    age: NDArray[np.float64]
    age_error: NDArray[np.float64]
    sex: NDArray[np.str_]
    person: NDArray[np.str_]
    edition: NDArray[np.str_]
    train: NDArray[np.bool_]
    digests: Mapping[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="where predictions are kept between runs")
    parser.add_argument("--fit", action="store_true", help="fit anew what ships")
    given = parser.parse_args()
    if not (given.portraits / "people.csv").is_file():
        print(f"skipped: `{given.portraits}` holds no `people.csv`")
        return
    unseen: dict[str, list[float]] = {}
    if given.fit:
        rows = [
            row
            for row in facts_of(given.portraits).values()
            if row["split"] == "train" and row["path"].startswith(EDITIONS[0])
        ]
        unseen = fit_head(seen(given.portraits, rows, cores()), HEAD, PEOPLE)
    with tempfile.TemporaryDirectory() as spare:
        work = Path(spare) if given.work is None else given.work
        people = read_people(given.portraits, work, unseen)
    if given.fit:
        content = fitted(people)
        write_json(SHIPPED, content | {"figures": examined(people, calibrations_of(content))})
    shipped = calibrations_of(json.loads(SHIPPED.read_text(encoding="utf-8")))
    print(json.dumps(examined(people, shipped), indent=1))


def calibrations_of(content: Mapping[str, Any]) -> list[Calibration]:
    """The calibrations in the shipped file."""
    return [Calibration.model_validate(one) for one in content["calibrations"]]


def facts_of(portraits: Path) -> dict[str, dict[str, str]]:
    """The rows of `people.csv` by path."""
    with (portraits / "people.csv").open(encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def read_people(portraits: Path, work: Path, unseen: Mapping[str, list[float]]) -> People:
    """Predict every picture, by the files as they are; without a prediction one is left out.

    unseen: held-out predictions of `dlib-age` by path, in place of those for faces of its own fit.
    """
    facts = facts_of(portraits)
    chosen: list[dict[str, str]] = []
    rows: list[dict[str, Any]] = []
    digests: dict[str, str] = {}
    for edition in EDITIONS:
        request = RelabelRequest(
            source=portraits / edition,
            out=work / f"{edition}.json",
            experts=EXPERTS,
            settings=("domain='photos'", "faces.pictures='photos'"),
            device="cpu",
        )
        plan = plan_relabel(request)
        digests = plan.ensemble.digests
        work.mkdir(parents=True, exist_ok=True)
        known = predict(plan.jobs, plan.inference, work / f"{edition}.jsonl", Silence())
        for job in plan.jobs:
            key = f"{edition}/{job.path.name}"
            if key in facts and known[job.name]["predictions"]:
                predicted = dict(known[job.name]["predictions"])
                if key in unseen:
                    predicted["dlib-age"] = unseen[key]
                chosen.append(facts[key])
                rows.append({"predictions": predicted})
        print(f"{edition}: {len(plan.jobs)} pictures, absent: {list(plan.ensemble.absent)}")

    def column(name: str) -> NDArray[np.str_]:
        return np.array([row[name] for row in chosen])

    return People(
        predictions_of(rows, list(digests)),
        column("age").astype(float),
        column("age_error").astype(float),
        column("sex"),
        column("person"),
        np.array([row["path"].split("/")[0] for row in chosen]),
        column("split") == "train",
        digests,
    )


def fitted(people: People) -> dict[str, Any]:
    """The content of the shipped file: a calibration for each set of experts."""
    chosen = people.train & (people.edition == EDITIONS[0])
    fits = [
        fit_calibration(
            people.predictions.of(chosen).only(names),
            people.age[chosen],
            people.digests,
            "photos",
            Fitting(),
            Fusion(),
            label_spread=people.age_error[chosen],
        )
        for names in SETS
    ]
    return {
        "what": "Calibrations of the small age experts on photographs, for tm relabel",
        "made_by": "benchmarks/relabel_photos.py --fit",
        "people": PEOPLE,
        "label_error": "1 to 3 years, taken as known deviation of the labels",
        "age-cc0 if all ages were alike": unbiased_line(
            people.predictions.of(chosen).only(["age-cc0"]).years[:, 0],
            people.age[chosen],
            people.age_error[chosen],
        ),
        "calibrations": [one.dump() for one in fits],
    }


def unbiased_line(
    raw: NDArray[np.float64], age: NDArray[np.float64], age_error: NDArray[np.float64]
) -> dict[str, float]:
    """The expected age given raw years if all ages of `UNIFORM` were equally likely, as a line.

    Raw years are a line of the true age plus noise; the labels (n,) err by `age_error`, which is
    taken out of the variances (Fuller, Measurement Error Models, 1987).
    """
    true_variance = age.var() - (age_error**2).mean()
    slope = float(np.cov(age, raw)[0, 1] / true_variance)
    offset = float(raw.mean() - slope * age.mean())
    noise = float(((raw - slope * age - offset) ** 2).mean() - slope**2 * (age_error**2).mean())
    low, high = UNIFORM
    spread, middle = (high - low) ** 2 / 12, (high + low) / 2
    back = slope * spread / (slope**2 * spread + noise)
    return {"slope": back, "offset": middle - back * (slope * middle + offset)}


def examined(people: People, calibrations: Sequence[Calibration]) -> dict[str, Any]:
    """All figures on the test people, by set of experts and edition."""
    results: dict[str, Any] = {}
    for calibration in calibrations:
        names = tuple(calibration.experts)
        if not set(names) <= set(people.predictions.experts):
            continue
        results["+".join(names)] = {
            edition: examined_part(people, calibration, people.edition == edition)
            for edition in EDITIONS
        } | {"both": examined_part(people, calibration, np.ones(len(people.age), bool))}
    return results


def examined_part(
    people: People, calibration: Calibration, part: NDArray[np.bool_]
) -> dict[str, Any]:
    """The figures on the test people of a part."""
    part = part & ~people.train
    predictions = people.predictions.of(part).only(list(calibration.experts))
    truth, person, sex = people.age[part], people.person[part], people.sex[part]
    mixture = fuse(predictions, calibration)
    error = np.abs(mixture.age - truth)
    bars = reliability_bins(probability_within(mixture.std), error <= WITHIN)

    def interval(rows: NDArray[np.bool_]) -> dict[str, Any]:
        mean, low, high = mean_interval(error[rows], groups=person[rows])
        off = bias(truth[rows], mixture.age[rows])
        return {"pictures": int(rows.sum()), "mae": mean, "low": low, "high": high, "bias": off}

    return {
        "mae": interval(np.ones(len(truth), bool)),
        "raw_mae": {
            name: mae(truth, predictions.years[:, at])
            for at, name in enumerate(predictions.experts)
        },
        "by_sex": {one: interval(sex == one) for one in sorted(set(sex))},
        "by_age": {
            f"{low}-{high}": interval((truth >= low) & (truth < high))
            for low, high in pairwise(BANDS)
            if ((truth >= low) & (truth < high)).any()
        },
        "by_age_error": {
            f"{years:g}": interval(people.age_error[part] == years)
            for years in np.unique(people.age_error[part])
        },
        "ece": expected_calibration_error(bars),
        "coverage_error": coverage_error(truth, mixture.age, mixture.std),
        "wrong_labels": flagged(truth, mixture.age, mixture.std, calibration.mismatch),
    }


def flagged(
    truth: NDArray[np.float64], age: NDArray[np.float64], std: NDArray[np.float64], limit: float
) -> dict[str, float]:
    """Shares of wrong and of right labels that are flagged; a fifth are moved, over 20 seeds.

    The labels move by 15 to 30 years, older or younger as 20 to 100 has room.
    """
    shares: list[tuple[float, float]] = []
    for seed in range(SEEDS):
        draw = np.random.default_rng(seed)
        wrong = np.zeros(len(truth), bool)
        wrong[draw.permutation(len(truth))[: round(len(truth) / 5)]] = True
        signs = draw.choice((-1, 1), len(truth))
        by = draw.uniform(LEAST, MOST, len(truth))
        signs = np.where(truth + signs * by > 100, -1, np.where(truth + signs * by < 20, 1, signs))
        labels = truth + wrong * signs * by
        hits = np.abs(labels - age) / std > limit
        shares.append((float(hits[wrong].mean()), float(hits[~wrong].mean())))
    wrong_share, right_share = np.mean(shares, axis=0).tolist()
    return {"moved": round(len(truth) / 5), "flagged": wrong_share, "false": right_share}


if __name__ == "__main__":
    main()
