"""Directional loss: a picture's features change along the direction between two ages."""

import torch.nn.functional as F
from torch import Tensor

SHORTEST = 0.1
"""Least length that a change counts as, as a share of the direction's: at a change of zero, where
every training starts, the gradient of the cosine is unbounded."""


def directional_loss(before: Tensor, after: Tensor, direction: Tensor, weights: Tensor) -> Tensor:
    """1 - cos(V(y) - V(x), mu_t - mu_s), a scalar: 0 along the direction, 2 against it.

    before, after: features V of the photograph and of the output; direction: mu_t - mu_s; all
    (b, d). weights: (b,) in [0, 1], by which each sample counts; the mean is over all b. Gal et al.
    2022 (StyleGAN-NADA), section 4.1, with mean features in the place of texts.
    """
    change, length = after - before, direction.norm(dim=1)
    shortest = (SHORTEST * length).clamp(min=1e-8)
    along = (change * F.normalize(direction, dim=1)).sum(dim=1)
    cosine = along / change.norm(dim=1).clamp(min=shortest)
    return ((1 - cosine) * weights).mean()
