"""What the networks for photographs are built from: padding as TensorFlow and dlib do it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WHITE = 255.0
DLIB_MEAN = (122.782, 117.001, 104.298)
"""Red, green and blue levels that dlib subtracts; face-api kept them."""


def levels(picture: Tensor) -> Tensor:
    """[-1, 1] to 0..255."""
    return (picture + 1) * (WHITE / 2)


def centred_levels(picture: Tensor, scale: float) -> Tensor:
    """(b, 3, h, w) in [-1, 1] to levels minus dlib's mean, divided by `scale`."""
    mean = torch.tensor(DLIB_MEAN, dtype=picture.dtype, device=picture.device)
    return (levels(picture) - mean.view(1, 3, 1, 1)) / scale


def same_padded(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """Pad as TensorFlow's SAME does: where the padding is odd, more goes below and to the right."""
    sides: list[int] = []
    for side in (x.shape[3], x.shape[2]):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        sides += [total // 2, total - total // 2]
    return F.pad(x, sides, value=value)


class SameConv2d(nn.Conv2d):
    """A square convolution with TensorFlow's SAME padding."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride > 1 or kernel % 2 == 0:
            return super().forward(same_padded(input, kernel, stride))
        # The same on all sides, so the convolution pads without a copy of the picture.
        half = kernel // 2
        return F.conv2d(input, self.weight, self.bias, padding=half, groups=self.groups)


class DlibBlock(nn.Module):
    """dlib's residual block: two 3x3 convolutions; one that halves does so without padding.

    Where the two sides differ in size or channels, the smaller is padded with zeros at its end.
    """

    def __init__(self, inputs: int, outputs: int, *, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        stride, padding = (2, 0) if halves else (1, 1)
        self.conv_1 = nn.Conv2d(inputs, outputs, 3, stride, padding)
        self.conv_2 = nn.Conv2d(outputs, outputs, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        detail = self.conv_2(F.relu(self.conv_1(x)))
        kept = F.avg_pool2d(x, 2) if self.halves else x
        return F.relu(_sum_of_unequal(detail, kept))


class DlibTrunk(nn.Sequential):
    """Levels around 0 (b, 3, s, s) to (b, channels): dlib's ResNet up to its global average.

    widths: of each block; a block with more channels than the one before, or named in `halving`,
    halves the map.
    """

    def __init__(
        self, stem: int, widths: tuple[int, ...], halving: frozenset[int] = frozenset()
    ) -> None:
        blocks: list[nn.Module] = []
        before = stem
        for number, width in enumerate(widths):
            halves = width > before or number in halving
            blocks.append(DlibBlock(before, width, halves=halves))
            before = width
        super().__init__(
            nn.Conv2d(3, stem, 7, 2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            *blocks,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


def folded(weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution that does its channels' `* scale + shift` itself."""
    return weight * scale.view(-1, 1, 1, 1), bias * scale + shift


def _sum_of_unequal(one: Tensor, other: Tensor) -> Tensor:
    if one.shape == other.shape:
        return one + other
    sizes = [max(a, b) for a, b in zip(one.shape[1:], other.shape[1:], strict=True)]
    padded = [
        F.pad(x, (0, sizes[2] - x.shape[3], 0, sizes[1] - x.shape[2], 0, sizes[0] - x.shape[1]))
        for x in (one, other)
    ]
    return padded[0] + padded[1]
