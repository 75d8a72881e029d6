"""Same person or not, told by a score that is higher for the same (a cosine, minus a distance)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from engine.metrics.ranks import mid_ranks, values


class EqualError(NamedTuple):
    """Where as many strangers pass as same pairs fail: the share of either, and the limit."""

    rate: float
    threshold: float
    """Pairs of this score or more pass."""


def auc(same: ArrayLike, different: ArrayLike) -> float:
    """Tell how often a same pair scores above a different one, ties halved.

    The area under the ROC curve as the Mann-Whitney statistic; 0.5 is guessing, 1 is perfect.
    """
    ours, theirs = values(same, "same pairs"), values(different, "different pairs")
    ranks = mid_ranks(np.concatenate([ours, theirs]))[: ours.size]
    wins = ranks.sum() - ours.size * (ours.size + 1) / 2
    return float(wins / (ours.size * theirs.size))


def verification_rate(same: ArrayLike, different: ArrayLike, *, far: float = 1e-3) -> float:
    """Tell the share of same pairs above the lowest limit that at most `far` of strangers pass."""
    if not 0 <= far <= 1:
        raise ValueError(f"a false accept rate lies in [0, 1], not {far}")
    ours, theirs = values(same, "same pairs"), np.sort(values(different, "different pairs"))
    allowed = int(np.floor(far * theirs.size + 1e-9))
    if allowed >= theirs.size:
        return 1.0
    # The first stranger who must not pass, from above: scores have to be beyond this one's.
    return float((ours > theirs[theirs.size - 1 - allowed]).mean())


def equal_error(same: ArrayLike, different: ArrayLike) -> EqualError:
    """Find the limit at which the two kinds of error are closest to each other."""
    ours, theirs = (
        np.sort(values(same, "same pairs")),
        np.sort(values(different, "different pairs")),
    )
    limits = np.unique(np.concatenate([ours, theirs]))
    rejected = np.searchsorted(ours, limits, side="left") / ours.size
    accepted = 1 - np.searchsorted(theirs, limits, side="left") / theirs.size
    best = int(np.argmin(np.abs(rejected - accepted)))
    return EqualError(float((rejected[best] + accepted[best]) / 2), float(limits[best]))
