"""Calibration of probabilities."""

import torch
from torch import Tensor

BINS = 10


def calibration_error(probability: Tensor, outcome: Tensor, weights: Tensor) -> float:
    """Weighted expected calibration error (Guo et al. 2017, section 2) over ten bins, in 0..1.

    probability: (n,); outcome: (n,) bool; weights: (n,), which torchmetrics does not take.

    >>> predicted = torch.tensor([0.95, 0.95, 0.05, 0.05])
    >>> correct = torch.tensor([True, True, False, False])
    >>> round(calibration_error(predicted, correct, torch.ones(4)), 4)
    0.05
    """
    bins = (probability * BINS).long().clamp(max=BINS - 1)
    gaps = torch.zeros(BINS, dtype=torch.float64)
    error = (probability - outcome.to(probability)) * weights
    gaps.index_add_(0, bins.cpu(), error.double().cpu())
    return float(gaps.abs().sum() / weights.double().sum())
