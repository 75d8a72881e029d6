"""As much texture as in the truth, wherever each hair of it lies: what blur cannot have."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.core.luma import REC_601

BLURS = (0.0, 0.8)
"""Sigmas in pixels of a blur before the Laplacian: with grain, and without."""
WINDOW = 8
FAINT = 1e-6


def texture_l1(output: Tensor, truth: Tensor) -> Tensor:
    """Mean difference of the local strength of texture, in shares of its mean in the truth.

    Pictures (b, 3, h, w) in [-1, 1]. Strength is the root mean square of the luma's Laplacian over
    windows of 8 px; matching it does not ask for the same texture, as a difference of pixels does,
    whose answer to what cannot be known is blur.
    """
    ours, theirs = strength(output), strength(truth)
    apart = (ours - theirs).abs().mean(dim=(0, 2, 3))
    return (apart / theirs.mean(dim=(0, 2, 3)).clamp(min=FAINT)).mean()


def strength(picture: Tensor) -> Tensor:
    """Local root mean square of the Laplacian (b, len(BLURS), rows, columns) of (b, 3, h, w)."""
    weights = picture.new_tensor(REC_601, dtype=torch.float32)
    luma = torch.einsum("c,bchw->bhw", weights, picture.float())[:, None]
    reach = kernels().shape[-1] // 2
    padded = F.pad(luma, (reach,) * 4, mode="reflect")
    energy = F.conv2d(padded, kernels().to(luma)).square()
    return (F.avg_pool2d(energy, WINDOW, WINDOW // 2) + FAINT).sqrt()


def kernels() -> Tensor:
    """Laplacians of Gaussians (len(BLURS), 1, k, k), one for each sigma, padded to one size."""
    reach = math.ceil(3 * max(BLURS))
    laplacian = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    across = torch.arange(-reach, reach + 1, dtype=torch.float32)
    bells = [
        torch.exp(-(across**2) / (2 * sigma**2)) if sigma else (across == 0).float()
        for sigma in BLURS
    ]
    blurs = torch.stack([bell[:, None] * bell[None] / bell.sum() ** 2 for bell in bells])
    return F.conv2d(blurs[:, None], laplacian[None, None], padding=2)
