"""A Real-ESRGAN Compact network for twice the size that begins as bicubic interpolation.

The network adds what it computes to the nearest-neighbour enlargement of its input, so from random
weights it first has to learn interpolation itself. Interpolation is linear and separable, and the
kernel of either phase, (-9, 67, 225, -27) / 256 and its mirror (Keys 1981, with a = -3/4 as in
torch and OpenCV), is the convolution of two shorter ones: two convolutions of 3 x 3 px enlarge
downwards and two across, in channels whose activations begin as the identity.
"""

import torch
from torch import Tensor, nn

COLOURS, PHASES = 3, 2
SMALLEST_WIDTH = COLOURS + COLOURS * PHASES**2 + 1
SMALLEST_DEPTH = 2
"""Convolutions between the first and the last."""
LINEAR, QUADRATIC = (-0.11196556, 1.11196556, 0.0), (0.31399163, 0.78085731, -0.09484894)
"""The two kernels of the first phase, from one pixel before to one after."""


@torch.no_grad()
def begin_as_bicubic(net: nn.Module) -> nn.Module:
    """Set weights of `net`, a SRVGGNetCompact of scale 2 with PReLU, and return it.

    It then enlarges (b, 3, h, w) as bicubic interpolation does, but for two pixels of its input
    along the border, where the convolutions see zeros. The other channels keep their random
    weights, and begin with no part in the result.
    """
    convolutions = [part for part in net.modules() if isinstance(part, nn.Conv2d)]
    weights = [part.weight for part in convolutions]
    activations = [part.weight for part in net.modules() if isinstance(part, nn.PReLU)]
    down, across = weights[:2], weights[-2:]
    if len(weights) < SMALLEST_DEPTH + 2 or len(weights[0]) < SMALLEST_WIDTH:
        raise ValueError("the network is too small to begin as bicubic interpolation")
    kept = COLOURS + COLOURS * PHASES  # the picture, and what lies between its rows
    carried = [*[kept] * (len(weights) - 2), COLOURS + COLOURS * PHASES**2]
    for convolution, slopes, channels in zip(convolutions, activations, carried, strict=False):
        convolution.weight[:channels] = 0
        _bias(convolution)[:channels] = 0
        slopes[:channels] = 1
        convolution.weight[range(COLOURS), range(COLOURS), 1, 1] = 1
    for passed in weights[2:-2]:
        passed[range(COLOURS, kept), range(COLOURS, kept), 1, 1] = 1
    weights[-1].zero_()
    _bias(convolutions[-1]).zero_()
    for colour in range(COLOURS):
        for row, (one, two) in enumerate(_kernels(weights[0])):
            between = COLOURS + PHASES * colour + row
            down[0][between, colour, :, 1] = one
            down[1][between, between, :, 1] = two
            down[1][between, colour, 1, 1] -= 1
            for column, (one, two) in enumerate(_kernels(weights[0])):
                pixel = PHASES**2 * colour + PHASES * row + column
                across[0][COLOURS + pixel, [colour, between], 1] = one
                across[1][pixel, COLOURS + pixel, 1] = two
                across[1][pixel, colour, 1, 1] -= 1  # what nearest-neighbour enlargement adds
    return net


def _kernels(like: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The two kernels of both phases: the output pixel before the middle, and the one after."""
    linear, quadratic = like.new_tensor(LINEAR), like.new_tensor(QUADRATIC)
    return (linear, quadratic), (linear.flip(0), quadratic.flip(0))


def _bias(convolution: nn.Conv2d) -> Tensor:
    assert convolution.bias is not None
    return convolution.bias
