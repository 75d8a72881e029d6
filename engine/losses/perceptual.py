"""How different two pictures look to a frozen network."""

from collections.abc import Sequence

import torch
from torch import Tensor

TINY = 1e-8


def feature_l2(output: Sequence[Tensor], truth: Sequence[Tensor]) -> Tensor:
    """Compare maps (b, c, h, w) of several depths: a scalar in [0, 4].

    Channels are scaled to length 1 at every place, squared differences summed over channels and
    averaged over the rest: Zhang et al. 2018, equation 1, without learned weights.
    """
    apart = [
        (_unit(a) - _unit(b)).square().sum(dim=1).mean() for a, b in zip(output, truth, strict=True)
    ]
    return torch.stack(apart).mean()


def _unit(features: Tensor) -> Tensor:
    features = features.float()
    return features * torch.rsqrt(features.square().sum(dim=1, keepdim=True) + TINY)
