"""A perceptual distance without learned weights: image gradients at several scales and channels.

No training can overfit to it through a shared network. The form is that of gradient
magnitude similarity (Xue et al. 2014, GMSD, eq. 4) with the gradient vectors in place of their
magnitudes, so that direction counts, and over the colour channels of FSIMc (Zhang et al. 2011).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.core.luma import REC_601

# YIQ, as FSIMc takes it: one channel of lightness, two of colour; rows make Y, I, Q.
YIQ = (REC_601, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
PREWITT = ((1.0, 0.0, -1.0), (1.0, 0.0, -1.0), (1.0, 0.0, -1.0))
EPSILONS = 170 * (2 / 255) ** 2, 17 * (2 / 255) ** 2
"""Stabilising constants of lightness and colour: that of GMSD, for pictures in [0, 255], scaled to
[-1, 1]; a tenth of it for colour, whose gradients are that much weaker."""
GROUPS = slice(0, 1), slice(1, 3)
SCALES = 4


def gradient_distance(one: Tensor, other: Tensor, *, scales: int = SCALES) -> Tensor:
    """Distance of (b, 3, h, w) pictures in [-1, 1], one for each: (b,), 0 for equal ones.

    Pictures are halved by averaging before each scale, the first too, as GMSD does, which
    suppresses grain. Per scale and group of channels (Y; I and Q), with Prewitt gradients: the
    mean over pixels of |∇a - ∇b|² / (|∇a|² + |∇b|² + c), which lies in [0, 2) and is near 1 where
    one picture has an edge that the other lacks. The distance is the mean of these, so every scale
    counts equally. It is symmetric and invariant to a constant added to a picture.
    """
    if one.shape != other.shape or one.ndim != 4 or one.shape[1] != 3:
        raise ValueError(f"pictures {tuple(one.shape)} and {tuple(other.shape)} make no pairs")
    if min(one.shape[-2:]) >> scales < len(PREWITT):
        raise ValueError(f"pictures {tuple(one.shape)} are too small for {scales} scales")
    a, b = _opponent(one), _opponent(other)
    distances: list[Tensor] = []
    for _ in range(scales):
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        distances += _differences(_gradients(a), _gradients(b))
    return torch.stack(distances).mean(dim=0)


def _opponent(pictures: Tensor) -> Tensor:
    weights = torch.tensor(YIQ, dtype=torch.float32, device=pictures.device)
    return torch.einsum("oc,bchw->bohw", weights, pictures.float())


def _gradients(channels: Tensor) -> Tensor:
    """(b, 3, h, w) to (b, 3, 2, h - 2, w - 2): across and down, of each channel."""
    kernel = torch.tensor(PREWITT, device=channels.device) / 3
    kernels = torch.stack([kernel, kernel.T])[:, None]
    gradients = F.conv2d(channels.flatten(0, 1)[:, None], kernels)
    return gradients.unflatten(0, channels.shape[:2])


def _differences(a: Tensor, b: Tensor) -> list[Tensor]:
    result: list[Tensor] = []
    for group, epsilon in zip(GROUPS, EPSILONS, strict=True):
        difference = (a[:, group] - b[:, group]).square().sum(dim=(1, 2))
        strength = a[:, group].square().sum(dim=(1, 2)) + b[:, group].square().sum(dim=(1, 2))
        result.append((difference / (strength + epsilon)).mean(dim=(1, 2)))
    return result
