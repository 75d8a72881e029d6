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
    return gradient_l1_of_each(output, truth).mean()


def gradient_l1_of_each(output: Tensor, truth: Tensor) -> Tensor:
    """`gradient_l1` of each sample: (b,)."""
    error = output - truth
    across, down = (error.diff(dim=dim).abs().mean(dim=(1, 2, 3)) for dim in (3, 2))
    return across + down


def l1_of_each(output: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of each sample of (b, c, h, w): (b,)."""
    return (output - truth).abs().mean(dim=(1, 2, 3))
