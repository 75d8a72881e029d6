"""Evaluation of identity, age and landmark networks on held-out people."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.geometry.landmarks import mean_error
from engine.metrics.age import bias, correlation, mae
from engine.metrics.bootstrap import figure_interval, mean_interval
from engine.metrics.strata import Stratum
from engine.metrics.verification import auc, verification_rate
from evaluation.report import Evaluation, Metric

NEAR = 30
"""Age gap in years within which verification is easy."""
FAR = 1e-3
GOAL_NEAR, GOAL_ALL, GOAL_AGE, GOAL_POINTS, GOAL_OWN = 0.98, 0.95, 5.0, 0.05, 0.95
VIEWS = {
    "colour": (Metric.at_least, 0.99, 0.75),
    "grey": (Metric.at_least, 0.95, 0.75),
    "mosaic": (Metric.at_most, 0.80, None),
}
"""Limit of the AUC and least true accept rate of a view."""
RESAMPLES = 200

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]


def evaluate_identity(
    embeddings: Floats, people: Ints, scenes: Ints, ages: Floats, strata: Sequence[Stratum]
) -> Evaluation:
    """Verification by the cosine of embeddings (n, d): same person in another scene, or impostor.

    Both kinds of pairs are within the age gap. `similar`: impostors of the same sex and skin only.
    """
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    kinds = np.unique([f"{one.sex} {one.skin}" for one in strata], return_inverse=True)[1]
    first, second = np.triu_indices(len(unit), 1)
    cosine = np.einsum("nd,nd->n", unit[first], unit[second])
    same = (people[first] == people[second]) & (scenes[first] != scenes[second])
    different = people[first] != people[second]
    similar = different & (kinds[first] == kinds[second])
    gap = np.abs(ages[first] - ages[second])
    near = gap <= NEAR
    note = f"{int(same.sum())} pairs"
    return Evaluation(
        [
            Metric.at_least(
                f"identity AUC, gap <= {NEAR} y",
                auc(cosine[same & near], cosine[different & near]),
                GOAL_NEAR,
                note=f"{int((same & near).sum())} pairs",
            ),
            Metric.at_least(
                "identity AUC, all gaps", auc(cosine[same], cosine[different]), GOAL_ALL, note=note
            ),
            Metric(
                "identity AUC, impostors of the same sex and skin",
                auc(cosine[same], cosine[similar]),
                note=note,
            ),
            Metric(
                f"identity: true accept rate at FAR {FAR:g}",
                verification_rate(cosine[same], cosine[different], far=FAR),
            ),
        ],
        {"identity by gap": _by_gap(cosine, same, different, gap)},
    )


def evaluate_recognition(views: Mapping[str, Floats], people: Ints, scenes: Ints) -> Evaluation:
    """Verification in colour, in grey and on mosaics of 8 x 8, 95 % over people.

    views: embeddings (n, d) of the same pictures by the names of VIEWS. `own grey`: the share of
    portraits whose grey version passes for the person at the false accept rate in colour.
    """
    unit = {name: x / np.linalg.norm(x, axis=1, keepdims=True) for name, x in views.items()}
    metrics: list[Metric] = []
    for name, (goal, limit, rate) in VIEWS.items():
        pairs = _Pairs(unit[name], people, scenes)
        area, accepted = (
            figure_interval(figure, groups=range(pairs.people), resamples=RESAMPLES)
            for figure in (pairs.auc, pairs.rate)
        )
        metrics.append(goal(f"identity AUC, {name}", area.mean, limit, interval=area))
        if rate is not None:
            title = f"identity: true accept rate at FAR {FAR:g}, {name}"
            metrics.append(Metric.at_least(title, accepted.mean, rate, interval=accepted))
    first, second = np.triu_indices(len(people), 1)
    color = unit["colour"]
    impostors = np.einsum("nd,nd->n", color[first], color[second])[people[first] != people[second]]
    own = (color * unit["grey"]).sum(axis=1)
    passed = (own > np.quantile(impostors, 1 - FAR)).astype(float)
    interval = mean_interval(passed, groups=people)
    title = "identity: own grey version passes"
    metrics.append(Metric.at_least(title, interval.mean, GOAL_OWN, interval=interval))
    return Evaluation(metrics)


class _Pairs:
    """Pairs of pictures in the order of their cosines, weighted by how often people are drawn."""

    def __init__(self, unit: Floats, people: Ints, scenes: Ints) -> None:
        first, second = np.triu_indices(len(unit), 1)
        order = np.argsort(np.einsum("nd,nd->n", unit[first], unit[second]))
        first, second = first[order], second[order]
        member = np.unique(people, return_inverse=True)[1]
        self.people = int(member.max()) + 1
        self.one, self.other = member[first], member[second]
        same = (self.one == self.other) & (scenes[first] != scenes[second])
        self.same, self.different = same.astype(float), (self.one != self.other).astype(float)

    def auc(self, rows: Ints) -> float:
        """The AUC of drawn people, some of whom occur several times."""
        same, different = self._weights(rows)
        below = np.cumsum(different) - different / 2
        return float((same * below).sum() / same.sum() / different.sum())

    def rate(self, rows: Ints) -> float:
        """The true accept rate of drawn people."""
        same, different = self._weights(rows)
        above = different.sum() - np.cumsum(different)
        return float(same[above <= FAR * different.sum()].sum() / same.sum())

    def _weights(self, rows: Ints) -> tuple[Floats, Floats]:
        """Of the pairs of one person, and of those of two."""
        drawn = np.bincount(rows, minlength=self.people)
        return self.same * drawn[self.one], self.different * drawn[self.one] * drawn[self.other]


def _by_gap(
    cosine: Floats, same: NDArray[np.bool_], different: NDArray[np.bool_], gap: Floats
) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = []
    for low in range(0, 90, 15):
        here = (gap >= low) & (gap < low + 15)
        if (same & here).any() and (different & here).any():
            ours, theirs = cosine[same & here], cosine[different & here]
            means = {"same": float(ours.mean()), "different": float(theirs.mean())}
            rows.append({"gap from": low, "pairs": ours.size, "AUC": auc(ours, theirs), **means})
    return rows


def evaluate_age(ages: Floats, predicted: Floats, people: Ints, *, name: str) -> Evaluation:
    """Compare predicted ages (n,) with the true ones, in years."""
    errors = np.abs(predicted - ages)
    bands = [(low, (ages >= low) & (ages < low + 10)) for low in range(0, 100, 10)]
    rows = [
        {
            "age from": low,
            "pictures": int(here.sum()),
            "MAE": mae(ages[here], predicted[here]),
            "bias": bias(ages[here], predicted[here]),
        }
        for low, here in bands
        if here.any()
    ]
    return Evaluation(
        [
            Metric.at_most(
                f"{name}: MAE in years",
                mae(ages, predicted),
                GOAL_AGE,
                interval=mean_interval(errors, groups=people),
            ),
            Metric(f"{name}: bias in years", bias(ages, predicted)),
            Metric(f"{name}: correlation", correlation(ages, predicted)),
        ],
        {f"{name} by age": rows},
    )


def evaluate_landmarks(points: Floats, truths: Floats, people: Ints) -> Evaluation:
    """Compare points (n, 68, 2) with the true ones, in true eye distances."""
    errors = np.array([mean_error(one, truth) for one, truth in zip(points, truths, strict=True)])
    return Evaluation(
        [
            Metric.at_most(
                "landmarks: mean error in eye distances",
                float(errors.mean()),
                GOAL_POINTS,
                interval=mean_interval(errors, groups=people),
                note=f"95% of faces under {np.quantile(errors, 0.95):.3f}",
            )
        ]
    )
