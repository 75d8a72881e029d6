"""How well ages are told: errors in years, and whether the order is right."""

import numpy as np
from numpy.typing import ArrayLike

from engine.metrics.ranks import Vector, mid_ranks, values


def mae(targets: ArrayLike, predicted: ArrayLike) -> float:
    """Average the absolute errors, in years."""
    truth, told = _pairs(targets, predicted)
    return float(np.abs(told - truth).mean())


def bias(targets: ArrayLike, predicted: ArrayLike) -> float:
    """Average the errors, in years: above 0 the predictions are too old."""
    truth, told = _pairs(targets, predicted)
    return float((told - truth).mean())


def correlation(targets: ArrayLike, predicted: ArrayLike) -> float:
    """Pearson's correlation in [-1, 1]; 0 where either side is constant."""
    truth, told = _pairs(targets, predicted)
    truth, told = truth - truth.mean(), told - told.mean()
    spread = np.linalg.norm(truth) * np.linalg.norm(told)
    return float(truth @ told / spread) if spread > 0 else 0.0


def spearman(targets: ArrayLike, predicted: ArrayLike) -> float:
    """Correlation of the ranks in [-1, 1]: 1 where the predictions keep the order of the targets.

    Ties share their mean rank; 0 where either side is constant, so doing nothing scores nothing.
    """
    truth, told = _pairs(targets, predicted)
    return correlation(mid_ranks(truth), mid_ranks(told))


def _pairs(targets: ArrayLike, predicted: ArrayLike) -> tuple[Vector, Vector]:
    truth, told = values(targets, "targets"), values(predicted, "predictions")
    if truth.size != told.size:
        raise ValueError(f"{truth.size} targets and {told.size} predictions make no pairs")
    return truth, told
