"""Pixel-wise distances between pictures."""

import torch.nn.functional as F
from torch import Tensor


def pyramid_l1(output: Tensor, truth: Tensor, *, levels: int = 3) -> Tensor:
    """Mean absolute error of (b, c, h, w), at full size and after each of `levels` - 1 halvings.

    The mean over the levels: an error of grain alone counts in the first only.
    """
    total = (output - truth).abs().mean()
    for _ in range(levels - 1):
        output, truth = F.avg_pool2d(output, 2), F.avg_pool2d(truth, 2)
        total = total + (output - truth).abs().mean()
    return total / levels


def gradient_l1(output: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of horizontal plus vertical finite differences (b, c, h, w): a scalar."""
    error = output - truth
    across, down = error.diff(dim=3).abs().mean(), error.diff(dim=2).abs().mean()
    return across + down
