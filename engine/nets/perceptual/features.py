"""A perceptual distance on the features of a frozen network; it goes by that network's name.

The form is that of Zhang et al. 2018, section 3.1, without the weights that they fit to
people's judgements: it is not LPIPS and is never called so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Features = Callable[[Tensor], Sequence[Tensor]]
"""Pictures (b, 3, h, w) in [-1, 1] to maps (b, c, h', w') of several depths."""
TINY = 1e-10


@dataclass(frozen=True, slots=True)
class FeatureDistance:
    """The distance of one network: `name` is that of the network, for reports."""

    name: str
    features: Features
    net: nn.Module | None = None
    """The network itself, where somebody has to move it to a device."""

    def __call__(self, one: Tensor, other: Tensor) -> Tensor:
        """Distance of (b, 3, h, w) pictures in [-1, 1], one for each: (b,), in [0, 4].

        Differentiable.
        """
        return feature_distance(self.features(one), self.features(other))


def feature_distance(one: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
    """Compare maps (b, c, h, w) of several depths: (b,), 0 for equal ones.

    At every place the channels are scaled to length 1; the squared differences are summed over the
    channels and averaged over the places, then over the depths.
    """
    if not one:
        raise ValueError("there are no features to compare")
    apart = [
        (_unit(a.float()) - _unit(b.float())).square().sum(dim=1).mean(dim=(1, 2))
        for a, b in zip(one, other, strict=True)
    ]
    return torch.stack(apart).mean(dim=0)


def _unit(features: Tensor) -> Tensor:
    return features * torch.rsqrt(features.square().sum(dim=1, keepdim=True) + TINY)
