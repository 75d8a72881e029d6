"""Benchmark of `tm relabel`: held-out people, a fifth of whose labels are wrong.

The three nano experts and their calibration are as shipped; it was fitted on people 440,000 to
441,499. The test people, from 905,000 on, are in no training and no fit; 20 % of their labels are
moved by 10 to 30 years.

    python benchmarks/relabel.py [--people 2000] [--out DIR]
    python benchmarks/relabel.py --fit       # the calibration of the nano experts that ships
"""

import argparse
import csv
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.app.relabel import RelabelRequest, relabel
from engine.core.progress import Silence
from engine.data.portraits import PortraitPlan, PortraitSet, rendered
from engine.experts.mixture import Mixture
from engine.images.saving import save_png
from engine.metrics.age import mae
from engine.metrics.age_calibration import (
    coverage_error,
    cumulative_score,
    expected_calibration_error,
    probability_within,
    reliability_bins,
)
from engine.relabel.diagrams import reliability_png
from engine.relabel.fit import mixture_metrics

FIRST = 905_000
FIT_FIRST, FIT_PEOPLE = 440_000, 1_500
CALIBRATION = Path(__file__).parents[1] / "engine/shipped/nano-relabel.json"
WRONG, LEAST, MOST, APART = 0.2, 10.0, 30.0, 15.0
EXPERTS = ("nano-age", "nano-ordinal", "nano-tokens")
BELOW = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class TestSet:
    """Pictures in a folder, their true ages, and labels of which some are wrong."""

    folder: Path
    truth: np.ndarray
    labels: np.ndarray

    @property
    def moved(self) -> np.ndarray:
        """Error of each label in years (n,)."""
        return np.abs(self.labels - self.truth)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--fit", action="store_true", help=f"write {CALIBRATION.name} anew")
    given = parser.parse_args()
    if given.fit:
        with tempfile.TemporaryDirectory() as spare:
            fit(given.out if given.out is not None else Path(spare))
        return
    with tempfile.TemporaryDirectory() as spare:
        out = given.out if given.out is not None else Path(spare)
        metrics = measure(prepare(out, given.people, FIRST, WRONG), out)
    print(json.dumps(metrics, indent=2))


def fit(out: Path) -> None:
    """Fit the three experts on true ages of people in no training, and write what ships."""
    test = prepare(out, FIT_PEOPLE, FIT_FIRST, wrong=0.0)
    request = RelabelRequest(
        source=test.folder,
        out=out / "labels.json",
        experts=EXPERTS,
        truth=out / "labels.csv",
        calibration="",
        aligned=True,
        device="cpu",
    )
    relabel(request)
    fitted = json.loads(request.calibration_file.read_text(encoding="utf-8"))
    about = {
        "what": "Calibration of the nano age experts on drawn portraits, for tm relabel",
        "command": "python benchmarks/relabel.py --fit",
        "people": f"{FIT_FIRST}..{FIT_FIRST + FIT_PEOPLE - 1} of the portrait world, one "
        "photograph of each at an age of 5 to 95",
    }
    CALIBRATION.write_text(json.dumps(about | fitted, indent=1) + "\n", encoding="utf-8")


def prepare(out: Path, people: int, first: int, wrong: float) -> TestSet:
    """Write the pictures and the CSV of labels, a share of them wrong, once."""
    plan = PortraitPlan(first=first, people=people, scenes=1, ages=1, size=128)
    portraits: PortraitSet = rendered(plan, Silence())
    folder = out / "faces"
    names = [f"{person:06d}" for person in portraits.people.tolist()]
    for name, pixels in zip(names, portraits.pictures, strict=True):
        if not (folder / f"{name}.png").is_file():
            save_png(folder / f"{name}.png", np.asarray(pixels), {"made": "rendered"})
    truth = portraits.ages.astype(np.float64)
    labels = corrupted(truth, wrong)
    with (out / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "age"))
        writer.writerows(
            (f"faces/{n}.png", round(a, 3)) for n, a in zip(names, labels, strict=True)
        )
    return TestSet(folder, truth, labels)


def corrupted(truth: np.ndarray, share: float) -> np.ndarray:
    """Labels (n,), a share of them 10 to 30 years off, older or younger as 0..100 has room."""
    draw = np.random.default_rng(8)
    wrong = draw.permutation(len(truth))[: round(share * len(truth))]
    labels = truth.copy()
    for at in wrong:
        by = draw.uniform(LEAST, MOST)
        signs = [sign for sign in (-1, 1) if 0 <= truth[at] + sign * by <= 100]
        labels[at] = truth[at] + draw.choice(signs) * by
    return labels


def measure(test: TestSet, out: Path) -> dict[str, Any]:
    """Relabel the folder, and compare with the truth."""
    request = RelabelRequest(
        source=test.folder,
        out=out / "labels.json",
        experts=EXPERTS,
        labels=out / "labels.csv",
        aligned=True,
        device="cpu",
    )
    report = relabel(request)
    labels = list(report.labels.values())
    known = np.array([label.age is not None for label in labels])
    truth, moved = test.truth[known], test.moved[known]
    labels = [label for label in labels if label.age is not None]
    age = np.array([label.age for label in labels], float)
    std = np.array([label.age_std for label in labels], float)
    flagged = np.array(["label_mismatch" in label.flags for label in labels])
    alone = {
        name: np.array([label.experts[name].age for label in labels], float) for name in EXPERTS
    }
    empty = np.zeros((len(age), 1))
    mixture = mixture_metrics(truth, Mixture(age, std, empty[:, 0], empty[:, 0], empty, empty))
    (out / "reliability.png").write_bytes(
        reliability_png(mixture, title=f"{len(truth)} held-out people")
    )
    wrong = moved > 0
    confidence = probability_within(std)
    return {
        "faces": len(test.truth),
        "without_age": int((~known).sum()),
        "mixture_mae": mae(truth, age),
        "expert_mae": {name: mae(truth, one) for name, one in alone.items()},
        "expert_mae_with_its_best_line": {
            name: _corrected_mae(truth, one) for name, one in alone.items()
        },
        "mean_of_experts_mae": mae(truth, np.mean(list(alone.values()), axis=0)),
        "error_correlations": np.corrcoef([one - truth for one in alone.values()])
        .round(3)
        .tolist(),
        "cs5": cumulative_score(truth, age, 5),
        "ece": expected_calibration_error(
            reliability_bins(confidence, np.abs(age - truth) <= BELOW)
        ),
        "coverage_error": coverage_error(truth, age, std),
        **{key: mixture[key] for key in ("rmse", "bias", "nll", "crps", "emd")},
        "wrong_labels": int(wrong.sum()),
        "flagged_of_wrong": float(flagged[wrong].mean()),
        "flagged_of_wrong_10_15": float(flagged[wrong & (moved < APART)].mean()),
        "flagged_of_wrong_15_30": float(flagged[wrong & (moved >= APART)].mean()),
        "flagged_of_right": float(flagged[~wrong].mean()),
        "kept": report.kept,
    }


def _corrected_mae(truth: np.ndarray, age: np.ndarray) -> float:
    """MAE after the best line on the test set itself: a bound for any linear correction."""
    slope, shift = np.polyfit(age, truth, 1)
    return mae(truth, slope * age + shift)


if __name__ == "__main__":
    main()
