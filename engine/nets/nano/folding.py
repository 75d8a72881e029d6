"""Stages that fold pixels into channels, for the nano encoders and the discriminator."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Fold(nn.Module):
    """Maps (b, inputs, h, w) to (b, outputs, h / 2, w / 2): fold, mix, then a residual 3x3.

    No norm over the batch: a picture's codes depend on that picture alone.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(4 * inputs, outputs, 1)
        self.conv = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.mix(F.pixel_unshuffle(x, 2)), 0.2, inplace=True)
        return x + F.leaky_relu(self.conv(x), 0.2, inplace=True)


class Stem(nn.Module):
    """Pictures (b, planes, s, s) to maps (b, outputs, s / 2, s / 2)."""

    def __init__(self, planes: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4 * planes, outputs, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        folded = F.pixel_unshuffle(picture, 2).contiguous(memory_format=torch.channels_last)
        return F.leaky_relu(self.conv(folded), 0.2)
