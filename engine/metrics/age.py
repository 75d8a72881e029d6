"""Errors of age estimates in years, and correlations."""

import numpy as np
from numpy.typing import ArrayLike

from engine.metrics.vectors import Vector, values

SPANNED = 10.0
"""Years of targets from which a slope within one photo is more than noise."""


def mae(targets: ArrayLike, predicted: ArrayLike) -> float:
    """Mean absolute error, in years."""
    truth, estimate = _pairs(targets, predicted)
    return float(np.abs(estimate - truth).mean())


def bias(targets: ArrayLike, predicted: ArrayLike) -> float:
    """Mean error, in years: above 0 the predictions are too old."""
    truth, estimate = _pairs(targets, predicted)
    return float((estimate - truth).mean())


def correlation(targets: ArrayLike, predicted: ArrayLike) -> float:
    """Pearson's correlation in [-1, 1]; 0 where either side is constant."""
    truth, estimate = _pairs(targets, predicted)
    truth, estimate = truth - truth.mean(), estimate - estimate.mean()
    norm = np.linalg.norm(truth) * np.linalg.norm(estimate)
    return float(truth @ estimate / norm) if norm > 0 else 0.0


def age_response(ages: ArrayLike, targets: ArrayLike, before: ArrayLike, after: ArrayLike) -> float:
    """The share, in 0..1, of the change of age that was asked for and is seen.

    ages: (n,) of the photos; targets: (k,); before: (n,) estimated ages of the photos; after:
    (n, k) estimated ages of the photos shown at the targets; all in years. It is the least-squares
    slope of the estimates on the targets within each photo: 0 for a model that copies its input and
    for one that always draws the same face. Where the targets span less than `SPANNED` years, the
    slope of the changes on those asked for: 0 for a copy.
    """
    goal, seen = np.asarray(targets, np.float64), np.asarray(after, np.float64)
    if np.ptp(goal) >= SPANNED:
        asked = np.broadcast_to(goal - goal.mean(), seen.shape)
        change = seen - seen.mean(axis=1, keepdims=True)
    else:
        asked = goal - np.asarray(ages, np.float64)[:, None]
        change = seen - np.asarray(before, np.float64)[:, None]
    size = float((asked**2).sum())
    return float(np.clip((asked * change).sum() / size, 0, 1)) if size > 0 else 0.0


def spearman(targets: ArrayLike, predicted: ArrayLike) -> float:
    """Spearman's rank correlation in [-1, 1], ties at their mean rank.

    0 where either side is constant, where `scipy.stats.spearmanr` warns and returns NaN.
    """
    from scipy.stats import rankdata

    truth, estimate = _pairs(targets, predicted)
    return correlation(rankdata(truth), rankdata(estimate))


def _pairs(targets: ArrayLike, predicted: ArrayLike) -> tuple[Vector, Vector]:
    truth, estimate = values(targets, "targets"), values(predicted, "predictions")
    if truth.size != estimate.size:
        raise ValueError(f"{truth.size} targets and {estimate.size} predictions make no pairs")
    return truth, estimate
