"""Nano networks for restoration and colorization of drawn portraits."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.images.lab import from_lab, to_lab
from engine.nets.nano.unet import NanoUNet, UNetSpec

MOST_CHROMA = 110.0
"""Units of CIELAB that an output of 1 stands for."""


class NanoFace(nn.Module):
    """Aligned faces (b, 3, s, s) in [-1, 1], degraded, to the same restored, unclipped."""

    def __init__(self, net: NanoUNet | None = None) -> None:
        super().__init__()
        self.net = NanoUNet(UNetSpec(3, 3)) if net is None else net

    def forward(self, face: Tensor) -> Tensor:
        return face + self.net(face)


class NanoColour(nn.Module):
    """Pictures (b, 3, h, w) in [-1, 1], of which only L is used, to their a and b."""

    def __init__(self, net: NanoUNet | None = None) -> None:
        super().__init__()
        self.net = NanoUNet(UNetSpec(1, 2, widths=(32, 64, 96))) if net is None else net

    def forward(self, picture: Tensor) -> Tensor:
        """(b, 2, h, w) in units of CIELAB; sides must be divisible by `net.spec.multiple`."""
        light = to_lab(picture)[:, :1]
        return self.net(light / 50 - 1) * MOST_CHROMA


def coloured(picture: Tensor, ab: Tensor) -> Tensor:
    """The picture (b, 3, h, w) in [-1, 1] with its own L and the colours `ab` (b, 2, h, w)."""
    if ab.shape[2:] != picture.shape[2:]:
        ab = F.interpolate(ab, picture.shape[2:], mode="bilinear", align_corners=False)
    return from_lab(torch.cat([to_lab(picture)[:, :1], ab], dim=1))
