"""Whether a picture has changed along the way that leads from one age to another."""

import torch.nn.functional as F
from torch import Tensor

SHORTEST = 0.1
"""Of the way between the ages: a shorter change counts as one of this length. A face that has not
moved yet would otherwise be pulled without bound."""


def directional(before: Tensor, after: Tensor, way: Tensor, sure: Tensor) -> Tensor:
    """1 - cos(V(y) - V(x), mu_t - mu_s), a scalar: 0 along the way, 2 against it.

    before, after: features V of the photograph and of the aged one; way: mu_t - mu_s, all (b, d);
    sure: (b,) weights, over which the mean is taken; all of them 0 give 0. Gal et al. 2022
    (StyleGAN-NADA), section 4.1, with prototypes in the place of texts.
    """
    moved, length = after - before, way.norm(dim=1)
    shortest = (SHORTEST * length).clamp(min=1e-8)
    cosine = (moved * F.normalize(way, dim=1)).sum(dim=1) / moved.norm(dim=1).clamp(min=shortest)
    return ((1 - cosine) * sure).sum() / sure.sum().clamp(min=1e-6)
