"""Whether probabilities are what they say."""

import torch
from torch import Tensor

BINS = 10


def calibration_error(told: Tensor, happened: Tensor, weights: Tensor) -> float:
    """The expected calibration error (Guo et al. 2017, section 2) over ten bins, in 0..1.

    told: (n,) probabilities; happened: (n,) bool; weights: (n,), what each case counts for.

    >>> sure = torch.tensor([0.95, 0.95, 0.05, 0.05])
    >>> right = torch.tensor([True, True, False, False])
    >>> round(calibration_error(sure, right, torch.ones(4)), 4)
    0.05
    """
    bins = (told * BINS).long().clamp(max=BINS - 1)
    gaps = torch.zeros(BINS, dtype=torch.float64)
    gaps.index_add_(0, bins.cpu(), ((told - happened.to(told)) * weights).double().cpu())
    return float(gaps.abs().sum() / weights.double().sum())
