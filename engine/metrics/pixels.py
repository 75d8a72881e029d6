"""Peak signal-to-noise ratio of pictures.

Not that of torchmetrics, which is infinite for equal pictures and takes seconds to import.
"""

import torch
from torch import Tensor

PEAK = 2.0
"""Pictures lie in [-1, 1]."""
ROUNDING = (PEAK / 255) ** 2 / 12
"""Mean squared error of rounding to 8 bits, the least that is measured."""
HIGHEST = 58.92
"""The PSNR of that in dB, which equal pictures have."""


def psnr(output: Tensor, truth: Tensor) -> Tensor:
    """PSNR in dB of (b, 3, h, w) pictures in [-1, 1], one for each: (b,), peak 2.

    Equal pictures have `HIGHEST`, that of rounding to 8 bits, so that means stay finite.
    """
    _check(output, truth)
    error = (output.double() - truth.double()).square().mean(dim=(1, 2, 3))
    return (10 * torch.log10(PEAK**2 / error.clamp_min(ROUNDING))).float()


def _check(one: Tensor, other: Tensor) -> None:
    if one.shape != other.shape or one.ndim != 4:
        raise ValueError(f"pictures {tuple(one.shape)} and {tuple(other.shape)} make no pairs")
