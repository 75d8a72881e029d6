"""Exam of the ageing prior: everyone at every target age, beside the truth and doing nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from engine.evaluators.dlib import Described, pairwise
from engine.metrics.age import bias, mae, spearman
from engine.metrics.bootstrap import mean_interval
from engine.metrics.gradients import gradient_distance
from engine.metrics.pixels import psnr
from engine.metrics.verification import auc, equal_error
from engine.nets.perceptual.features import FeatureDistance
from evaluation.album import Album, Pixels, measured, person_energies
from evaluation.colour import ColourRange, region_planes
from evaluation.figures import Examined, Figure

ASKED_AGE, ASKED_ORDER, ASKED_ORDERED = 8.0, 0.9, 0.95
WIDE = 20
"""Years from which an output has to be nearer to the truth than its input is."""
COLOUR_SLACK = 0.05
"""How much fewer outputs than truths may have the world's colours."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ways:
    """One measurement three times over: of the outputs, the truth and the inputs left alone."""

    output: Floats
    truth: Floats
    nothing: Floats

    def figure(self, name: str, **told: Any) -> Figure:
        """The means as one figure."""
        truth, nothing = float(self.truth.mean()), float(self.nothing.mean())
        return Figure(name, float(self.output.mean()), truth=truth, nothing=nothing, **told)


@dataclass(frozen=True, slots=True, eq=False)
class Aged:
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

    def left_alone(self, values: NDArray[Any]) -> NDArray[Any]:
        """What was measured on the truth (people, targets, ...), at every target for the input."""
        chosen = values[np.arange(len(self.starts)), self.starts]
        return np.repeat(chosen[:, None], values.shape[1], axis=1)


def examine_ages(aged: Aged, judge: Callable[[Tensor], Tensor]) -> tuple[Examined, Ways]:
    """Judge the ages; returns the years told, (people, targets) each, as well."""
    told = measured(judge, aged.truth.pictures)
    ways = Ways(measured(judge, aged.outputs), told, aged.left_alone(told))
    targets = np.broadcast_to(aged.truth.ages.astype(np.float64), told.shape)
    errors, own, idle = (mae(targets, way) for way in (ways.output, ways.truth, ways.nothing))
    ordered = [
        float(np.mean([spearman(targets[0], row) >= ASKED_ORDER for row in way]))
        for way in (ways.output, ways.truth, ways.nothing)
    ]
    rows = [
        {
            "target": float(age),
            "MAE": mae(targets[:, at], ways.output[:, at]),
            "bias": bias(targets[:, at], ways.output[:, at]),
            "truth's MAE": mae(targets[:, at], ways.truth[:, at]),
            "truth's bias": bias(targets[:, at], ways.truth[:, at]),
            "nothing's MAE": mae(targets[:, at], ways.nothing[:, at]),
            "to the truth's age": mae(ways.truth[:, at], ways.output[:, at]),
        }
        for at, age in enumerate(aged.truth.ages)
    ]
    people = np.repeat(aged.truth.people, told.shape[1])
    figures = [
        Figure.at_most(
            "ageing: judge's age MAE in years",
            errors,
            ASKED_AGE,
            truth=own,
            nothing=idle,
            interval=mean_interval(np.abs(ways.output - targets), groups=people),
            note="below the judge's own error on the truth: look for cheating"
            if errors < own
            else "",
        ),
        Figure(
            "ageing: judge's age, output against truth, in years",
            mae(ways.truth, ways.output),
            truth=0.0,
            nothing=mae(ways.truth, ways.nothing),
        ),
        Figure.at_least(
            f"ageing: people whose ages keep the order (Spearman >= {ASKED_ORDER:g})",
            ordered[0],
            ASKED_ORDERED,
            truth=ordered[1],
            nothing=ordered[2],
        ),
    ]
    return Examined(figures, {"ages by target": rows}), ways


def examine_likeness(aged: Aged, perceptual: Sequence[FeatureDistance] = ()) -> Examined:
    """Compare outputs and inputs with the truth render, gap by gap."""
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
    figures: list[Figure] = []
    wide = np.abs(gaps) >= WIDE
    for name, (measure, better) in measures.items():
        ours = measured(measure, aged.outputs, aged.truth.pictures)
        idle = measured(measure, inputs, aged.truth.pictures)
        for row in rows:
            here = gaps == row["gap"]
            row |= {name: float(ours[here].mean()), f"nothing's {name}": float(idle[here].mean())}
        asked = [row for row in rows if abs(row["gap"]) >= WIDE]
        won = [better * (row[name] - row[f"nothing's {name}"]) > 0 for row in asked]
        figures.append(
            Figure(
                f"ageing: {name}, gaps >= {WIDE} y",
                float(ours[wide].mean()),
                goal=f"{'>' if better > 0 else '<'} nothing at every gap",
                passed=all(won),
                nothing=float(idle[wide].mean()),
                interval=mean_interval(ours[wide], groups=np.nonzero(wide)[0]),
                note=f"better at {sum(won)} of {len(won)} gaps",
            )
        )
    figures += _sharpness(aged, inputs)
    return Examined(figures, {"likeness to the truth by gap": rows})


def _sharpness(aged: Aged, inputs: Pixels) -> list[Figure]:
    """Blur comes near to any truth: what it costs is told beside."""
    ours, idle = (
        person_energies(pictures, aged.truth.pictures, aged.truth.points)
        for pictures in (aged.outputs, inputs)
    )
    return [
        Figure(
            f"ageing: energy of {place}, output / truth",
            float(np.nanmedian(ours[place])),
            truth=1.0,
            nothing=float(np.nanmedian(idle[place])),
        )
        for place in ours
    ]


def examine_colours(aged: Aged) -> Examined:
    """Ask whether hair and skin have colours that the truth renders of that age have there.

    The ranges are learned from the other photographs, so that the truth can fall outside as well.
    """
    regions = ("hair", "skin")
    inside = {region: np.zeros((3, *aged.outputs.shape[:2]), bool) for region in regions}
    shifts = {region: np.zeros((3, *aged.outputs.shape[:2])) for region in regions}
    for at in range(len(aged.truth.ages)):
        points = aged.truth.points[:, at]
        learned = region_planes(aged.other.pictures[:, at], aged.other.points[:, at])
        shown = [
            region_planes(pictures, points)
            for pictures in (aged.outputs[:, at], aged.truth.pictures[:, at], aged.inputs)
        ]
        for region in regions:
            allowed = ColourRange.of(region, learned[region])
            means = [np.stack([plane.mean(axis=0) for plane in one[region]]) for one in shown]
            for way, one in enumerate(shown):
                inside[region][way, :, at] = [allowed.holds(plane) for plane in one[region]]
                shifts[region][way, :, at] = np.linalg.norm(means[way] - means[1], axis=1)
    figures: list[Figure] = []
    for region in regions:
        shares = _ways(inside[region].astype(np.float64))
        least = float(shares.truth.mean()) - COLOUR_SLACK
        goal = f">= truth - {COLOUR_SLACK:g}"
        passed = float(shares.output.mean()) >= least
        figures += [
            shares.figure(f"ageing: {region} within the world's colours", goal=goal, passed=passed),
            _ways(shifts[region]).figure(f"ageing: {region} colour off the truth's, in CIELAB"),
        ]
    rows = [
        {
            "target": float(age),
            **{
                f"{way} {region}": float(inside[region][i, :, at].mean())
                for region in regions
                for i, way in enumerate(("output", "truth", "nothing"))
            },
        }
        for at, age in enumerate(aged.truth.ages)
    ]
    return Examined(figures, {"colours within range by target": rows})


def examine_identity(
    aged: Aged, seen: Described, truth: Described, other: Described, ages: Ways | None = None
) -> Examined:
    """Verify outputs by dlib against another photo of the person, or of someone alike, at that age.

    seen, truth, other: dlib on outputs, truth and the other photographs, in the albums' order.
    ages: the years told of each, for the share that has both age and identity right.
    """
    shape = aged.outputs.shape[:2]
    vectors = {
        "output": seen.vectors.reshape(*shape, -1),
        "truth": truth.vectors.reshape(*shape, -1),
        "nothing": aged.left_alone(truth.vectors.reshape(*shape, -1)),
    }
    reference = other.vectors.reshape(*shape, -1)
    alike = aged.truth.alike
    scores = {way: _scores(own, reference) for way, own in vectors.items()}
    aucs = {way: _aucs(own, alike) for way, own in scores.items()}
    limits = [equal_error(np.diag(at), at[alike]) for at in scores["truth"]]
    known = {way: _known(own, [limit.threshold for limit in limits]) for way, own in scores.items()}
    rows: list[dict[str, Any]] = [
        {
            "target": float(age),
            **{f"{way} AUC": float(aucs[way][at]) for way in vectors},
            "equal error": limits[at].rate,
            "limit": -limits[at].threshold,
            **{f"{way} known": float(known[way][:, at].mean()) for way in vectors},
        }
        for at, age in enumerate(aged.truth.ages)
    ]
    found = Figure(
        "ageing: dlib finds a face", float(seen.detected.mean()), truth=float(truth.detected.mean())
    )
    figures = [
        Ways(**aucs).figure("ageing: dlib verification AUC, mean over targets"),
        Ways(**known).figure("ageing: identity right (equal-error limit of the truth at that age)"),
        found,
    ]
    if ages is not None:
        figures.append(_both(aged, ages, known))
    return Examined(figures, {"identity by target": rows})


def _ways(stacked: Floats) -> Ways:
    """(3, people, targets) in the order of the fields."""
    return Ways(stacked[0], stacked[1], stacked[2])


def _scores(own: NDArray[np.float32], reference: NDArray[np.float32]) -> list[Floats]:
    """Minus the distances of everyone to everyone's other photo, (people, people) per target."""
    return [-pairwise(own[:, at], reference[:, at]) for at in range(own.shape[1])]


def _aucs(scores: list[Floats], alike: NDArray[np.bool_]) -> Floats:
    return np.array([auc(np.diag(at), at[alike]) for at in scores])


def _known(scores: list[Floats], limits: Sequence[float]) -> Floats:
    rows = [np.diag(at) >= limit for at, limit in zip(scores, limits, strict=True)]
    return np.stack(rows, axis=1).astype(np.float64)


def _both(aged: Aged, ages: Ways, known: dict[str, Floats]) -> Figure:
    targets = aged.truth.ages.astype(np.float64)[None]
    right = {
        way: (np.abs(getattr(ages, way) - targets) <= ASKED_AGE) * own for way, own in known.items()
    }
    people = np.repeat(aged.truth.people, targets.size)
    return Ways(**right).figure(
        f"ageing: age within {ASKED_AGE:g} y and identity right",
        interval=mean_interval(right["output"], groups=people),
    )
