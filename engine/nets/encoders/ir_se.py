"""The IR-SE50 body shared by ArcFace and the encoders.

Residual units with batch norm in front (Deng et al. 2019, "IR") and squeeze-and-excitation
(Hu et al. 2018).
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

Layout = Literal["published", "fork"]

WIDTHS = (64, 128, 256, 512)
DEPTHS = (3, 4, 14, 3)
FIRST_STRIDES: dict[Layout, tuple[int, ...]] = {
    "published": (2, 2, 2, 2),
    # A fork of MyTimeMachine lost the first stride: everything behind it runs at twice the size.
    "fork": (1, 2, 2, 2),
}
SQUEEZE = 16


class Subsample(nn.Module):
    """Every `stride`-th pixel."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride]


class SubsampledConv(nn.Conv2d):
    """1x1 convolution of every `step`-th pixel.

    It is `nn.Conv2d(..., 1, stride=step)`, whose backward pass crashes the process for a few
    channels in channels-last layout (4 to 8, torch 2.15 on AVX-512).
    """

    def __init__(self, inputs: int, outputs: int, step: int) -> None:
        super().__init__(inputs, outputs, 1, bias=False)
        self.step = step

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input[:, :, :: self.step, :: self.step])


class SqueezeExcite(nn.Module):
    """Scale every channel by a factor computed from the means of all of them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(1, channels // SQUEEZE)
        self.fc1 = nn.Conv2d(channels, squeezed, 1, bias=False)
        self.fc2 = nn.Conv2d(squeezed, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(pooled))))


class Unit(nn.Module):
    """One residual unit; the state-dict keys are those of the published backbones."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer = (
            Subsample(stride)
            if inputs == outputs
            else nn.Sequential(SubsampledConv(inputs, outputs, stride), nn.BatchNorm2d(outputs))
        )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            SqueezeExcite(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.res_layer(x) + self.shortcut_layer(x)


def body_shape(state: Mapping[str, Tensor]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Widths and depths of the groups in a state dict; a group ends where the width changes."""
    widths: list[int] = []
    depths: list[int] = []
    while (key := f"body.{sum(depths)}.res_layer.1.weight") in state:
        if not widths or state[key].shape[0] != widths[-1]:
            widths.append(state[key].shape[0])
            depths.append(0)
        depths[-1] += 1
    return tuple(widths), tuple(depths)


def stem(inputs: int, outputs: int) -> nn.Sequential:
    """The layer in front of the body, at full resolution."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs), nn.PReLU(outputs)
    )


def body(
    widths: tuple[int, ...] = WIDTHS,
    depths: tuple[int, ...] = DEPTHS,
    layout: Layout = "published",
) -> nn.Sequential:
    """Four groups of units; the first unit of a group shrinks the picture."""
    if len(set(widths)) != len(widths):
        raise ValueError(
            "every group needs a width of its own: a state dict shows the groups by it"
        )
    units: list[nn.Module] = []
    inputs = widths[0]
    for outputs, depth, stride in zip(widths, depths, FIRST_STRIDES[layout], strict=True):
        for index in range(depth):
            units.append(Unit(inputs, outputs, stride if index == 0 else 1))
            inputs = outputs
    return nn.Sequential(*units)
