"""Exam of the judges: identity, age and landmark nets on people they have never met."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.geometry.landmarks import mean_error
from engine.metrics.age import bias, correlation, mae
from engine.metrics.bootstrap import mean_interval
from engine.metrics.strata import Stratum
from engine.metrics.verification import auc, verification_rate
from evaluation.figures import Examined, Figure

NEAR = 30
"""Years of age gap within which a person is easily known again."""
FAR = 1e-3
ASKED_NEAR, ASKED_ALL, ASKED_AGE, ASKED_POINTS = 0.98, 0.95, 5.0, 0.05

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]


def examine_identity(
    embeddings: Floats, people: Ints, scenes: Ints, ages: Floats, strata: Sequence[Stratum]
) -> Examined:
    """Verify embeddings (n, d) by their cosine: same person in another scene, or someone else.

    Both kinds of pairs keep within the age gap. `alike`: strangers of the same sex and skin only.
    """
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    kinds = np.unique([f"{one.sex} {one.skin}" for one in strata], return_inverse=True)[1]
    first, second = np.triu_indices(len(unit), 1)
    cosine = np.einsum("nd,nd->n", unit[first], unit[second])
    same = (people[first] == people[second]) & (scenes[first] != scenes[second])
    different = people[first] != people[second]
    alike = different & (kinds[first] == kinds[second])
    gap = np.abs(ages[first] - ages[second])
    near = gap <= NEAR
    note = f"{int(same.sum())} pairs"
    return Examined(
        [
            Figure.at_least(
                f"identity AUC, gap <= {NEAR} y",
                auc(cosine[same & near], cosine[different & near]),
                ASKED_NEAR,
                note=f"{int((same & near).sum())} pairs",
            ),
            Figure.at_least(
                "identity AUC, all gaps", auc(cosine[same], cosine[different]), ASKED_ALL, note=note
            ),
            Figure("identity AUC, alike strangers", auc(cosine[same], cosine[alike]), note=note),
            Figure(
                f"identity accepted at FAR {FAR:g}",
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
            told = {"same": float(ours.mean()), "different": float(theirs.mean())}
            rows.append({"gap from": low, "pairs": ours.size, "AUC": auc(ours, theirs), **told})
    return rows


def examine_age(ages: Floats, predicted: Floats, people: Ints, *, name: str) -> Examined:
    """Compare ages told (n,) with the true ones, in years."""
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
    return Examined(
        [
            Figure.at_most(
                f"{name}: MAE in years",
                mae(ages, predicted),
                ASKED_AGE,
                interval=mean_interval(errors, groups=people),
            ),
            Figure(f"{name}: bias in years", bias(ages, predicted)),
            Figure(f"{name}: correlation", correlation(ages, predicted)),
        ],
        {f"{name} by age": rows},
    )


def examine_landmarks(points: Floats, truths: Floats, people: Ints) -> Examined:
    """Compare points (n, 68, 2) with the true ones, in true eye distances."""
    errors = np.array([mean_error(one, truth) for one, truth in zip(points, truths, strict=True)])
    return Examined(
        [
            Figure.at_most(
                "landmarks: mean error in eye distances",
                float(errors.mean()),
                ASKED_POINTS,
                interval=mean_interval(errors, groups=people),
                note=f"95% of faces under {np.quantile(errors, 0.95):.3f}",
            )
        ]
    )
