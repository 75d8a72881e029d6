"""Verification of portraits against impostors, and identity between real photos."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.evaluators.identity import IdentityEvaluator, Person, Vectors
from engine.evaluators.traits import sex_of
from engine.metrics.verification import auc, verification_rate
from engine.scoring.rows import References, Row
from engine.scoring.summary import GAPS

FAR = 1e-3
MIN_PAIRS = 20
MOST_PAIRS = 20_000
"""Pairs of real photos that are compared: all of 200 photos, as many drawn ones of more."""
NO_IMPOSTORS = "no pictures of other people were given"


def verification(
    similarity: Sequence[float],
    own: Vectors,
    impostors: Vectors | None,
    evaluator: IdentityEvaluator,
) -> dict[str, Any]:
    """True accept rate of the portraits at a false accept rate of 1 in 1000, and AUC.

    similarity: of each portrait to its reference (n,); own: embeddings of the portraits (n, d);
    impostors: embeddings of other people (m, d). With fewer than 1000 pairs no impostor may pass.
    """
    if impostors is None:
        return {"true_accept_rate": None, "why_null": NO_IMPOSTORS}
    pairs = len(own) * len(impostors)
    if pairs < MIN_PAIRS:
        return {
            "true_accept_rate": None,
            "why_null": f"{pairs} pairs with other people are too few",
        }
    negatives = np.concatenate(
        [evaluator.similarity(np.broadcast_to(one, impostors.shape), impostors) for one in own]
    )
    return {
        "true_accept_rate": verification_rate(similarity, negatives, far=FAR),
        "false_accept_rate": FAR,
        "auc": auc(similarity, negatives),
        "impostor_pairs": pairs,
    }


def real_pairs(references: References, evaluator: IdentityEvaluator) -> dict[str, Any] | None:
    """Identity between real photos of the person, overall and by the years between them.

    It bounds the identity that a portrait can reach; None for fewer than two photos. Of many
    photos it is that of `MOST_PAIRS` drawn pairs.
    """
    photos, measured = references.material.photos, references.photos
    if photos is None or measured is None or len(photos.ages) < 2:
        return None
    vectors = measured.vectors[evaluator.name]
    one, other = pairs_of(len(vectors))
    similarity = evaluator.similarity(vectors[one], vectors[other])
    gaps = np.abs(photos.ages[one] - photos.ages[other])
    middle = (photos.ages[one] + photos.ages[other]) / 2
    people = {source.person for source in references.material.sources.values()}
    person = people.pop() if len(people) == 1 else None
    sex = None if measured.male is None else sex_of(float(np.median(measured.male)))
    light = None if measured.lightness is None else float(np.median(measured.lightness))
    identity = np.array(
        [
            evaluator.identity(float(s), Person(person, float(a), sex, light))
            for s, a in zip(similarity, middle, strict=True)
        ]
    )
    rows: list[Row] = []
    for low, high in pairwise(GAPS):
        here = (gaps >= low) & (gaps < high)
        if here.any():
            mean = float(gaps[here].mean())
            rows.append(
                {
                    "from": low,
                    "to": high,
                    "mean_gap": mean,
                    "pairs": int(here.sum()),
                    "identity": float(identity[here].mean()),
                    "verification_rate": float((similarity[here] >= evaluator.threshold).mean()),
                }
            )
    return {"identity": float(identity.mean()), "pairs": len(identity), "by_gap": rows}


def pairs_of(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of two different ones of `count`: every pair, or `MOST_PAIRS` of them by chance."""
    if count * (count - 1) // 2 <= MOST_PAIRS:
        return np.triu_indices(count, 1)
    rng = np.random.default_rng(0)
    one = rng.integers(0, count, MOST_PAIRS)
    return one, (one + rng.integers(1, count, MOST_PAIRS)) % count
