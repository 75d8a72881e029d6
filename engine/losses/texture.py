"""Local strength of texture, independent of its exact position: blur lowers it."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.core.luma import REC_601

BLURS = (0.0, 0.8)
"""Sigmas in pixels of a blur before the Laplacian: with grain, and without."""
WINDOW = 8
EPSILON = 1e-6


def texture_l1(output: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of the texture strength, relative to its mean in the truth.

    Pictures (b, 3, h, w) in [-1, 1]. Strength is the root mean square of the luma's Laplacian over
    windows of 8 px. Matching it does not require the same texture, as a pixel loss does, whose
    optimum is blur where the texture is unknown.
    """
    strength, target = texture_strength(output), texture_strength(truth)
    error = (strength - target).abs().mean(dim=(0, 2, 3))
    return (error / target.mean(dim=(0, 2, 3)).clamp(min=EPSILON)).mean()


def texture_strength(picture: Tensor) -> Tensor:
    """Local root mean square of the Laplacian (b, len(BLURS), rows, columns) of (b, 3, h, w)."""
    weights = picture.new_tensor(REC_601, dtype=torch.float32)
    luma = torch.einsum("c,bchw->bhw", weights, picture.float())[:, None]
    reach = kernels().shape[-1] // 2
    padded = F.pad(luma, (reach,) * 4, mode="reflect")
    energy = F.conv2d(padded, kernels().to(luma)).square()
    return (F.avg_pool2d(energy, WINDOW, WINDOW // 2) + EPSILON).sqrt()


def kernels() -> Tensor:
    """Laplacians of Gaussians (len(BLURS), 1, k, k), one for each sigma, padded to one size."""
    reach = math.ceil(3 * max(BLURS))
    laplacian = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    across = torch.arange(-reach, reach + 1, dtype=torch.float32)
    gaussians = [
        torch.exp(-(across**2) / (2 * sigma**2)) if sigma else (across == 0).float()
        for sigma in BLURS
    ]
    blurs = torch.stack(
        [gaussian[:, None] * gaussian[None] / gaussian.sum() ** 2 for gaussian in gaussians]
    )
    return F.conv2d(blurs[:, None], laplacian[None, None], padding=2)
