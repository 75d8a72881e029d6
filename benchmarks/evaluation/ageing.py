"""Evaluation of the ageing prior: everyone at every target age, against the truth and the input."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from engine.evaluators.dlib import Described, pairwise
from engine.images.srgb import Pixels
from engine.metrics.age import bias, mae, spearman
from engine.metrics.bootstrap import mean_interval
from engine.metrics.gradients import gradient_distance
from engine.metrics.pixels import psnr
from engine.metrics.verification import auc, equal_error_rate
from engine.nets.perceptual.features import FeatureDistance
from evaluation.album import Album, measured, person_energies
from evaluation.colour import ColourRange, region_planes
from evaluation.report import Evaluation, Metric

GOAL_AGE, GOAL_ORDER, GOAL_ORDERED = 8.0, 0.9, 0.95
WIDE = 20
"""Age gap in years from which an output must be nearer to the truth than its input is."""
COLOUR_SLACK = 0.05
"""Allowed deficit of outputs within the world's colours, relative to the truth."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of the outputs, of the truth and of the unchanged inputs."""

    output: Floats
    truth: Floats
    unchanged: Floats

    def metric(self, name: str, **more: Any) -> Metric:
        """The means as one metric."""
        truth, unchanged = float(self.truth.mean()), float(self.unchanged.mean())
        return Metric(name, float(self.output.mean()), truth=truth, unchanged=unchanged, **more)


@dataclass(frozen=True, slots=True, eq=False)
class AgedAlbum:
    """Outputs (people, targets, s, s, 3) made from each person's picture at `ages[starts]`.

    The truth is the same photograph rendered at the target; `other` is another photograph of the
    same people at the same ages. Targets are the album's ages.
    """

    truth: Album
    other: Album
    outputs: Pixels
    starts: NDArray[np.intp]

    @property
    def inputs(self) -> Pixels:
        """The pictures that were aged, (people, s, s, 3)."""
        return self.truth.pictures[np.arange(len(self.starts)), self.starts]

    @property
    def gaps(self) -> Floats:
        """Years from input to target, (people, targets)."""
        ages = self.truth.ages.astype(np.float64)
        return ages[None] - ages[self.starts][:, None]

    def unchanged(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the truth (people, targets, ...) to those of the input at every target."""
        chosen = values[np.arange(len(self.starts)), self.starts]
        return np.repeat(chosen[:, None], values.shape[1], axis=1)


def evaluate_ages(
    aged: AgedAlbum, estimator: Callable[[Tensor], Tensor]
) -> tuple[Evaluation, Comparison]:
    """Compare estimated ages with the targets; also returns them, (people, targets) each."""
    of_truth = measured(estimator, aged.truth.pictures)
    years = Comparison(measured(estimator, aged.outputs), of_truth, aged.unchanged(of_truth))
    targets = np.broadcast_to(aged.truth.ages.astype(np.float64), of_truth.shape)
    errors, own, unchanged = (
        mae(targets, one) for one in (years.output, years.truth, years.unchanged)
    )
    ordered = [
        float(np.mean([spearman(targets[0], row) >= GOAL_ORDER for row in one]))
        for one in (years.output, years.truth, years.unchanged)
    ]
    rows = [
        {
            "target": float(age),
            "MAE": mae(targets[:, at], years.output[:, at]),
            "bias": bias(targets[:, at], years.output[:, at]),
            "truth MAE": mae(targets[:, at], years.truth[:, at]),
            "truth bias": bias(targets[:, at], years.truth[:, at]),
            "unchanged MAE": mae(targets[:, at], years.unchanged[:, at]),
            "MAE to the truth's estimate": mae(years.truth[:, at], years.output[:, at]),
        }
        for at, age in enumerate(aged.truth.ages)
    ]
    people = np.repeat(aged.truth.people, of_truth.shape[1])
    metrics = [
        Metric.at_most(
            "ageing: age MAE in years",
            errors,
            GOAL_AGE,
            truth=own,
            unchanged=unchanged,
            interval=mean_interval(np.abs(years.output - targets), groups=people),
            note="below the estimator's error on the truth: look for cheating"
            if errors < own
            else "",
        ),
        Metric(
            "ageing: estimated age, output against truth, in years",
            mae(years.truth, years.output),
            truth=0.0,
            unchanged=mae(years.truth, years.unchanged),
        ),
        Metric.at_least(
            f"ageing: people whose ages keep the order (Spearman >= {GOAL_ORDER:g})",
            ordered[0],
            GOAL_ORDERED,
            truth=ordered[1],
            unchanged=ordered[2],
        ),
    ]
    return Evaluation(metrics, {"ages by target": rows}), years


def evaluate_similarity(aged: AgedAlbum, perceptual: Sequence[FeatureDistance] = ()) -> Evaluation:
    """Compare outputs and inputs with the truth render, by age gap."""
    inputs = np.broadcast_to(aged.inputs[:, None], aged.outputs.shape)
    measures: dict[str, tuple[Callable[..., Tensor], int]] = {
        "PSNR": (psnr, 1),
        "gradient distance": (gradient_distance, -1),
        **{f"distance by {one.name}": (one, -1) for one in perceptual},
    }
    gaps = aged.gaps
    rows: list[dict[str, Any]] = [
        {"gap": float(gap), "pictures": int((gaps == gap).sum())} for gap in np.unique(gaps)
    ]
    metrics: list[Metric] = []
    wide = np.abs(gaps) >= WIDE
    for name, (measure, better) in measures.items():
        ours = measured(measure, aged.outputs, aged.truth.pictures)
        unchanged = measured(measure, inputs, aged.truth.pictures)
        for row in rows:
            here = gaps == row["gap"]
            row |= {
                name: float(ours[here].mean()),
                f"unchanged {name}": float(unchanged[here].mean()),
            }
        far = [row for row in rows if abs(row["gap"]) >= WIDE]
        won = [better * (row[name] - row[f"unchanged {name}"]) > 0 for row in far]
        metrics.append(
            Metric(
                f"ageing: {name}, gaps >= {WIDE} y",
                float(ours[wide].mean()),
                goal=f"{'>' if better > 0 else '<'} unchanged at every gap",
                passed=all(won),
                unchanged=float(unchanged[wide].mean()),
                interval=mean_interval(ours[wide], groups=np.nonzero(wide)[0]),
                note=f"better at {sum(won)} of {len(won)} gaps",
            )
        )
    metrics += _sharpness(aged, inputs)
    return Evaluation(metrics, {"similarity to the truth by gap": rows})


def _sharpness(aged: AgedAlbum, inputs: Pixels) -> list[Metric]:
    """The energy beside the distances, which favour blur."""
    ours, unchanged = (
        person_energies(pictures, aged.truth.pictures, aged.truth.points)
        for pictures in (aged.outputs, inputs)
    )
    return [
        Metric(
            f"ageing: energy of {key}, output / truth",
            float(np.nanmedian(ours[key])),
            truth=1.0,
            unchanged=float(np.nanmedian(unchanged[key])),
        )
        for key in ours
    ]


def evaluate_colours(aged: AgedAlbum) -> Evaluation:
    """Whether the colours of hair and skin are those of truth renders of that age.

    The ranges are fitted to the other photographs, so that the truth may fall outside too.
    """
    regions = ("hair", "skin")
    inside = {region: np.zeros((3, *aged.outputs.shape[:2]), bool) for region in regions}
    shifts = {region: np.zeros((3, *aged.outputs.shape[:2])) for region in regions}
    for at in range(len(aged.truth.ages)):
        points = aged.truth.points[:, at]
        references = region_planes(aged.other.pictures[:, at], aged.other.points[:, at])
        planes = [
            region_planes(pictures, points)
            for pictures in (aged.outputs[:, at], aged.truth.pictures[:, at], aged.inputs)
        ]
        for region in regions:
            allowed = ColourRange.of(region, references[region])
            means = [np.stack([plane.mean(axis=0) for plane in one[region]]) for one in planes]
            for i, one in enumerate(planes):
                inside[region][i, :, at] = [allowed.holds(plane) for plane in one[region]]
                shifts[region][i, :, at] = np.linalg.norm(means[i] - means[1], axis=1)
    metrics: list[Metric] = []
    for region in regions:
        shares = _comparison(inside[region].astype(np.float64))
        least = float(shares.truth.mean()) - COLOUR_SLACK
        goal = f">= truth - {COLOUR_SLACK:g}"
        passed = float(shares.output.mean()) >= least
        metrics += [
            shares.metric(f"ageing: {region} within the world's colours", goal=goal, passed=passed),
            _comparison(shifts[region]).metric(
                f"ageing: {region} colour distance to the truth, in CIELAB"
            ),
        ]
    rows = [
        {
            "target": float(age),
            **{
                f"{name} {region}": float(inside[region][i, :, at].mean())
                for region in regions
                for i, name in enumerate(("output", "truth", "unchanged"))
            },
        }
        for at, age in enumerate(aged.truth.ages)
    ]
    return Evaluation(metrics, {"colours within range by target": rows})


def evaluate_identity(
    aged: AgedAlbum,
    described: Described,
    truth: Described,
    other: Described,
    ages: Comparison | None = None,
) -> Evaluation:
    """Verify outputs by dlib against other photos, of the person or of similar people, at that age.

    described, truth, other: dlib on outputs, truth and the other photographs, in the albums' order.
    ages: estimated years of each, for the share with correct age and identity.
    """
    shape = aged.outputs.shape[:2]
    vectors = {
        "output": described.vectors.reshape(*shape, -1),
        "truth": truth.vectors.reshape(*shape, -1),
        "unchanged": aged.unchanged(truth.vectors.reshape(*shape, -1)),
    }
    reference = other.vectors.reshape(*shape, -1)
    similar = aged.truth.similar
    scores = {name: _scores(own, reference) for name, own in vectors.items()}
    aucs = {name: _aucs(own, similar) for name, own in scores.items()}
    thresholds = [equal_error_rate(np.diag(at), at[similar]) for at in scores["truth"]]
    verified = {
        name: _verified(own, [one.threshold for one in thresholds]) for name, own in scores.items()
    }
    rows: list[dict[str, Any]] = [
        {
            "target": float(age),
            **{f"{name} AUC": float(aucs[name][at]) for name in vectors},
            "equal error": thresholds[at].rate,
            "threshold": -thresholds[at].threshold,
            **{f"{name} verified": float(verified[name][:, at].mean()) for name in vectors},
        }
        for at, age in enumerate(aged.truth.ages)
    ]
    detected = Metric(
        "ageing: faces detected by dlib",
        float(described.detected.mean()),
        truth=float(truth.detected.mean()),
    )
    metrics = [
        Comparison(**aucs).metric("ageing: dlib verification AUC, mean over targets"),
        Comparison(**verified).metric(
            "ageing: verification rate at the equal-error threshold of the truth"
        ),
        detected,
        *_gains(aged, scores, verified),
    ]
    if ages is not None:
        metrics.append(_age_and_identity(aged, ages, verified))
    return Evaluation(metrics, {"identity by target": rows})


def _comparison(stacked: Floats) -> Comparison:
    """From (3, people, targets), in the order of the fields."""
    return Comparison(stacked[0], stacked[1], stacked[2])


def _scores(own: NDArray[np.float32], reference: NDArray[np.float32]) -> list[Floats]:
    """Minus the distances of everyone to everyone's other photo, (people, people) per target."""
    return [-pairwise(own[:, at], reference[:, at]) for at in range(own.shape[1])]


def _aucs(scores: list[Floats], similar: NDArray[np.bool_]) -> Floats:
    return np.array([auc(np.diag(at), at[similar]) for at in scores])


def _verified(scores: list[Floats], thresholds: Sequence[float]) -> Floats:
    rows = [np.diag(at) >= threshold for at, threshold in zip(scores, thresholds, strict=True)]
    return np.stack(rows, axis=1).astype(np.float64)


def _gains(
    aged: AgedAlbum, scores: dict[str, list[Floats]], verified: dict[str, Floats]
) -> list[Metric]:
    """What ageing gains over doing nothing, at every target but the age of the input, paired."""
    changed = aged.gaps != 0
    people = np.nonzero(changed)[0]
    nearer = np.stack([np.diag(at) for at in scores["output"]], axis=1) - np.stack(
        [np.diag(at) for at in scores["unchanged"]], axis=1
    )
    found = {
        "dlib verification rate": verified["output"] - verified["unchanged"],
        "dlib distance to another photograph at the target age, less": nearer,
    }
    metrics: list[Metric] = []
    for name, values in found.items():
        interval = mean_interval(values[changed], groups=people)
        metrics.append(
            Metric(
                f"ageing: gain over doing nothing, {name}",
                interval.mean,
                goal="> 0, interval over people",
                passed=interval.low > 0,
                unchanged=0.0,
                interval=interval,
            )
        )
    return metrics


def _age_and_identity(aged: AgedAlbum, ages: Comparison, verified: dict[str, Floats]) -> Metric:
    targets = aged.truth.ages.astype(np.float64)[None]
    correct = {
        name: (np.abs(getattr(ages, name) - targets) <= GOAL_AGE) * own
        for name, own in verified.items()
    }
    people = np.repeat(aged.truth.people, targets.size)
    return Comparison(**correct).metric(
        f"ageing: age within {GOAL_AGE:g} y and identity verified",
        interval=mean_interval(correct["output"], groups=people),
    )
