"""Perceptual distance on the feature maps of a frozen network."""

from collections.abc import Sequence

import torch
from torch import Tensor

EPSILON = 1e-8


def feature_l2(output: Sequence[Tensor], truth: Sequence[Tensor]) -> Tensor:
    """Distance of feature maps (b, c, h, w) of several layers: a scalar in [0, 4].

    Unit length over the channels of every position, squared differences summed over channels and
    averaged over the rest: Zhang et al. 2018, equation 1, without learned weights.
    """
    layers = [
        (_unit(a) - _unit(b)).square().sum(dim=1).mean() for a, b in zip(output, truth, strict=True)
    ]
    return torch.stack(layers).mean()


def _unit(features: Tensor) -> Tensor:
    features = features.float()
    return features * torch.rsqrt(features.square().sum(dim=1, keepdim=True) + EPSILON)
