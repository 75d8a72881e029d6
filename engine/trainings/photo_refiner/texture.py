"""How much more texture a refined face has: creases may deepen where other grain goes."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.nets.photos.patches import smoothed

SIGMAS = (0.7, 1.4, 2.8)
"""Edges in px of the bands of detail, finest first."""
CELL = 24
"""Pixels of a cell over which energy is averaged; cells overlap by half."""
LEAST_ENERGY = 1e-5
"""Variance of light that counts as smooth."""
MOSTLY_SKIN = 0.5


def added_energy(before: Tensor, after: Tensor, mask: Tensor, allowed: float) -> Tensor:
    """Mean log energy of detail, by band and cell, that was added beyond what is allowed: a scalar.

    before, after: (b, 3, s, s) in [-1, 1]; mask: (b, 1, s, s), the skin that counts; allowed: a log
    factor. A crease that deepens costs nothing while the cell about it loses as much elsewhere, so
    that age is drawn where it lies and not strewn over the skin.
    """
    share = _cells(mask)
    first, last = (_energies(picture, mask) for picture in (before, after))
    excess = F.relu(torch.log(last / first) - allowed)
    counts = (share > MOSTLY_SKIN).to(excess.dtype)
    return (excess * counts).sum() / (counts.sum().clamp(min=1.0) * len(SIGMAS))


def _energies(picture: Tensor, mask: Tensor) -> Tensor:
    """Mean squares (b, bands, h, w) of the bands of light over the skin of each cell."""
    light = picture.mean(1, keepdim=True)
    levels = [light, *(smoothed(light, sigma) for sigma in SIGMAS)]
    bands = torch.cat([fine - soft for fine, soft in pairwise(levels)], 1)
    share = _cells(mask).clamp(min=1e-3)
    return _cells(bands.square() * mask) / share + LEAST_ENERGY


def _cells(plane: Tensor) -> Tensor:
    return F.avg_pool2d(plane, CELL, CELL // 2)
