"""Evaluation of identity, age and landmark networks on held-out people."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.geometry.landmarks import mean_error
from engine.metrics.age import bias, correlation, mae
from engine.metrics.bootstrap import mean_interval
from engine.metrics.strata import Stratum
from engine.metrics.verification import auc, verification_rate
from evaluation.report import Evaluation, Metric

NEAR = 30
"""Age gap in years within which verification is easy."""
FAR = 1e-3
GOAL_NEAR, GOAL_ALL, GOAL_AGE, GOAL_POINTS = 0.98, 0.95, 5.0, 0.05

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
