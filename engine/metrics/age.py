"""Errors of age estimates in years, and correlations."""

import numpy as np
from numpy.typing import ArrayLike

from engine.metrics.vectors import Vector, values


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
