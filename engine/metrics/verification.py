"""Verification metrics of a score that is higher for pairs of one person (cosine, -distance).

Not those of torchmetrics: they map scores outside [0, 1] by a sigmoid, whose float32 ties change
the AUC by up to 0.01, and take seconds to import.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from engine.metrics.vectors import values


class EqualErrorRate(NamedTuple):
    """The rate at which false accepts equal false rejects, and its threshold."""

    rate: float
    threshold: float
    """Pairs of this score or more are accepted."""


def auc(same: ArrayLike, different: ArrayLike) -> float:
    """Area under the ROC curve: the probability that a same pair scores above a different one.

    The Mann-Whitney statistic, ties counting half; 0.5 is chance, 1 is perfect.
    """
    from scipy.stats import rankdata

    ours, theirs = values(same, "same pairs"), values(different, "different pairs")
    ranks = rankdata(np.concatenate([ours, theirs]))[: ours.size]
    wins = ranks.sum() - ours.size * (ours.size + 1) / 2
    return float(wins / (ours.size * theirs.size))


def verification_rate(same: ArrayLike, different: ArrayLike, *, far: float = 1e-3) -> float:
    """True accept rate at the lowest threshold whose false accept rate is at most `far`."""
    if not 0 <= far <= 1:
        raise ValueError(f"a false accept rate lies in [0, 1], not {far}")
    ours, theirs = values(same, "same pairs"), np.sort(values(different, "different pairs"))
    allowed = int(np.floor(far * theirs.size + 1e-9))
    if allowed >= theirs.size:
        return 1.0
    # The highest impostor score that must be rejected: accepted scores are above it.
    return float((ours > theirs[theirs.size - 1 - allowed]).mean())


def equal_error_rate(same: ArrayLike, different: ArrayLike) -> EqualErrorRate:
    """The equal error rate, at the threshold where both error rates are closest."""
    ours, theirs = (
        np.sort(values(same, "same pairs")),
        np.sort(values(different, "different pairs")),
    )
    thresholds = np.unique(np.concatenate([ours, theirs]))
    rejected = np.searchsorted(ours, thresholds, side="left") / ours.size
    accepted = 1 - np.searchsorted(theirs, thresholds, side="left") / theirs.size
    best = int(np.argmin(np.abs(rejected - accepted)))
    return EqualErrorRate(float((rejected[best] + accepted[best]) / 2), float(thresholds[best]))
