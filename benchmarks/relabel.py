"""The exam of `tm relabel`: unseen people, a fifth of whose labels are wrong.

Everything is as shipped: the three nano experts and their calibration, which was fitted on people
440,000 to 441,499. The exam is on people from 905,000 on, whom no network and no fit has met; 20 %
of their labels are moved by 10 to 30 years.

    python benchmarks/relabel.py [--people 2000] [--out DIR]
"""

import argparse
import csv
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.app.relabel import Request, planned
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
from engine.relabel.fit import figures
from engine.relabel.recipe import load_relabel
from engine.relabel.run import relabel
from engine.runtime.device import choose

FIRST = 905_000
WRONG, LEAST, MOST, APART = 0.2, 10.0, 30.0, 15.0
EXPERTS = "nano-age,nano-ordinal,nano-tokens"
BELOW = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """Pictures in a folder, their true ages, and labels of which some are wrong."""

    folder: Path
    truth: np.ndarray
    labels: np.ndarray

    @property
    def moved(self) -> np.ndarray:
        """By how many years each label is off (n,)."""
        return np.abs(self.labels - self.truth)


def main() -> None:
    asked = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    asked.add_argument("--people", type=int, default=2000)
    asked.add_argument("--out", type=Path)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        out = given.out if given.out is not None else Path(spare)
        exam = prepared(out, given.people)
        told: dict[str, Any] = examined(exam, out)
    print(json.dumps(told, indent=2))


def prepared(out: Path, people: int) -> Exam:
    """Write the pictures and the labels' CSV, once."""
    plan = PortraitPlan(first=FIRST, people=people, scenes=1, ages=1, size=128)
    portraits: PortraitSet = rendered(plan, Silence())
    folder = out / "faces"
    names = [f"{person:06d}" for person in portraits.people.tolist()]
    for name, pixels in zip(names, portraits.pictures, strict=True):
        if not (folder / f"{name}.png").is_file():
            save_png(folder / f"{name}.png", np.asarray(pixels), {"made": "rendered"})
    truth = portraits.ages.astype(np.float64)
    labels = corrupted(truth)
    with (out / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "age"))
        writer.writerows(
            (f"faces/{n}.png", round(a, 3)) for n, a in zip(names, labels, strict=True)
        )
    return Exam(folder, truth, labels)


def corrupted(truth: np.ndarray) -> np.ndarray:
    """Labels (n,), a fifth of them 10 to 30 years off, older or younger as 0..100 has room."""
    draw = np.random.default_rng(8)
    wrong = draw.permutation(len(truth))[: round(WRONG * len(truth))]
    labels = truth.copy()
    for at in wrong:
        by = draw.uniform(LEAST, MOST)
        ways = [sign for sign in (-1, 1) if 0 <= truth[at] + sign * by <= 100]
        labels[at] = truth[at] + draw.choice(ways) * by
    return labels


def examined(exam: Exam, out: Path) -> dict[str, Any]:
    """Run the command's own path over the folder, and compare with the truth."""
    request = Request(
        exam.folder, out / "labels.json", experts=EXPERTS, labels=out / "labels.csv", aligned=True
    )
    report = relabel(planned(load_relabel("relabel/moe"), request, choose("cpu")), Silence())
    labels = list(report.labels.values())
    answered = np.array([label["age"] is not None for label in labels])
    truth, moved = exam.truth[answered], exam.moved[answered]
    labels = [label for label in labels if label["age"] is not None]
    age, std = (np.array([label[key] for label in labels]) for key in ("age", "age_std"))
    flagged = np.array(["label_mismatch" in label["flags"] for label in labels])
    alone = {name: np.array([label["experts"][name]["age"] for label in labels], float)
             for name in EXPERTS.split(",")}  # fmt: skip
    empty = np.zeros((len(age), 1))
    mixture = figures(truth, Mixture(age, std, empty[:, 0], empty[:, 0], empty, empty))
    (out / "reliability.png").write_bytes(
        reliability_png(mixture, title=f"{len(truth)} unseen people")
    )
    wrong = moved > 0
    sure = probability_within(std)
    return {
        "faces": len(exam.truth),
        "without_age": int((~answered).sum()),
        "mixture_mae": mae(truth, age),
        "expert_mae": {name: mae(truth, one) for name, one in alone.items()},
        "expert_mae_with_its_best_line": {name: _lined(truth, one) for name, one in alone.items()},
        "mean_of_experts_mae": mae(truth, np.mean(list(alone.values()), axis=0)),
        "error_correlations": np.corrcoef([one - truth for one in alone.values()])
        .round(3)
        .tolist(),
        "cs5": cumulative_score(truth, age, 5),
        "ece": expected_calibration_error(reliability_bins(sure, np.abs(age - truth) <= BELOW)),
        "coverage_error": coverage_error(truth, age, std),
        **{key: mixture[key] for key in ("rmse", "bias", "nll", "crps", "emd")},
        "wrong_labels": int(wrong.sum()),
        "flagged_of_wrong": float(flagged[wrong].mean()),
        "flagged_of_wrong_10_15": float(flagged[wrong & (moved < APART)].mean()),
        "flagged_of_wrong_15_30": float(flagged[wrong & (moved >= APART)].mean()),
        "flagged_of_right": float(flagged[~wrong].mean()),
        "kept": report.kept,
    }


def _lined(truth: np.ndarray, told: np.ndarray) -> float:
    """The error of an expert after the best line through the very exam: more than it can have."""
    slope, shift = np.polyfit(told, truth, 1)
    return mae(truth, slope * told + shift)


if __name__ == "__main__":
    main()
