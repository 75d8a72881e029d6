"""LPIPS (Zhang et al. 2018) by the `lpips` package, its backbone loaded from our weights folder.

The package ships the small linear layers; the ImageNet backbone is never downloaded here.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Literal

import lpips
import torch
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.loading import faults, frozen

Backbone = Literal["alex", "vgg", "squeeze"]
EPSILON = 1e-10  # outside the root, as published


def _untrained(backbone: Backbone) -> lpips.LPIPS:
    """The package's network with its linear layers, and a backbone still to be loaded."""
    with warnings.catch_warnings():
        # The package still calls torchvision with arguments of before 0.13.
        warnings.filterwarnings("ignore", message="The parameter 'pretrained' is deprecated")
        warnings.filterwarnings("ignore", message="Arguments other than a weight enum")
        return lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False)


class Perceptual(nn.Module):
    """Perceptual distance of pictures (b, 3, h, w) in [-1, 1]: (b,), zero for equal ones."""

    def __init__(self, net: lpips.LPIPS) -> None:
        super().__init__()
        self.net = frozen(net)

    @classmethod
    def from_state(
        cls, state: Mapping[str, Tensor], *, backbone: Backbone = "alex"
    ) -> "Perceptual":
        """Take the backbone from torchvision's state dict (`features.N.*`) of that network."""
        net = _untrained(backbone)
        inner = {}
        for key in net.net.state_dict():
            own = f"features.{key.split('.', 1)[1]}"
            if own in state:
                inner[key] = state[own]
        if problems := faults(net.net, inner):
            raise WeightsError(
                f"these weights are not torchvision's `{backbone}` backbone: {problems[0]}",
                hint="LPIPS needs an ImageNet backbone in the weights folder",
            )
        net.net.load_state_dict(inner)
        return cls(net)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.between(self.features(x), self.features(y))

    def features(self, picture: Tensor) -> list[Tensor]:
        """Unit-length features per layer: compute those of a fixed picture once and keep them."""
        layers = self.net.net(self.net.scaling_layer(picture))
        return [
            layer / (layer.square().sum(dim=1, keepdim=True).sqrt() + EPSILON) for layer in layers
        ]

    def between(self, x: Sequence[Tensor], y: Sequence[Tensor]) -> Tensor:
        """Distance (b,) of two pictures by their `features`."""
        weighed = [
            head((a - b).square()).mean(dim=(1, 2, 3))
            for head, a, b in zip(self.net.lins, x, y, strict=True)
        ]
        return torch.stack(weighed).sum(dim=0)
