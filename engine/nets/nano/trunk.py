"""The convolutional trunk shared by the nano networks that measure portraits."""

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016), batch norm behind each."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv_1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm_1 = nn.BatchNorm2d(outputs)
        self.conv_2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm_2 = nn.BatchNorm2d(outputs)
        self.shortcut = None if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        detail = F.relu(self.norm_1(self.conv_1(x)), inplace=True)
        detail = self.norm_2(self.conv_2(detail))
        if self.stride > 1:
            x = F.avg_pool2d(x, self.stride)
        if self.shortcut is not None:
            x = self.shortcut(x)
        return F.relu(x + detail, inplace=True)


class Trunk(nn.Module):
    """Pictures (b, 3, s, s) in [-1, 1] to one map a stage: (b, widths[i], s / 2^(i+1), ...).

    The stem folds pixels into channels before its convolution, so no full-size map is ever made;
    every later stage is one residual block of stride 2.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, widths[0], 3, padding=1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        pairs = pairwise(widths)
        self.stages = nn.ModuleList(Residual(inputs, outputs, 2) for inputs, outputs in pairs)

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        maps = [self.stem(picture.contiguous(memory_format=torch.channels_last))]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return tuple(maps)


class Gather(nn.Module):
    """A map (b, c, side, side) to (b, c): every channel by a weighting of places of its own.

    The global depthwise convolution of MobileFaceNet (Chen et al. 2018): in an aligned portrait
    positions have a meaning that an average discards.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels, side, side), 1 / side**2))

    def forward(self, x: Tensor) -> Tensor:
        return (x.float() * self.weight).sum(dim=(2, 3))


def resized(picture: Tensor, size: int) -> Tensor:
    """The picture (b, 3, h, w) at `size` px, antialiased; itself where it has that size."""
    if picture.shape[2:] == (size, size):
        return picture
    return F.interpolate(picture, size=(size, size), mode="bilinear", antialias=True)


def widths_of(state: Mapping[str, Tensor], *, name: str) -> tuple[int, ...]:
    """Read the widths of a trunk off a state dict that holds it as `trunk`."""
    if "trunk.stem.1.weight" not in state:
        raise WeightsError(f"`trunk.stem.1.weight` is missing: these are no weights of {name}")
    widths = [state["trunk.stem.1.weight"].shape[0]]
    while (key := f"trunk.stages.{len(widths) - 1}.conv_1.weight") in state:
        widths.append(state[key].shape[0])
    return tuple(widths)


def plain_shape(
    state: Mapping[str, Tensor], last: str, *, name: str
) -> tuple[int, int, tuple[int, ...], int]:
    """Input size in px, outputs, widths of the stages, width of the hidden layer.

    Read off a state dict of convolutions in `stages`, each halving the side, and fully connected
    layers from `hidden` on; `last` is a tensor with one entry or row for each output.
    """
    try:
        count = sum(key.startswith("stages.") and key.endswith(".0.weight") for key in state)
        widths = tuple(state[f"stages.{i}.0.weight"].shape[0] for i in range(count))
        hidden, flat = state["hidden.1.weight"].shape
        side = round((flat / widths[-1]) ** 0.5)
        return side * 2**count, state[last].shape[0], widths, hidden
    except (KeyError, IndexError) as error:
        raise WeightsError(f"these are no weights of {name}") from error
