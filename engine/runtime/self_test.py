"""Whether a device computes what the processor computes."""

import torch
import torch.nn.functional as F
from torch import Tensor

TOLERANCE = 1e-3
"""Largest difference from the processor, in standard deviations of its output: far above rounding
in another order, far below a step that is left out."""


def agrees(device: torch.device) -> bool:
    """Whether the operators of our networks give on the device what they give on the processor.

    A small chain of them: strided and transposed convolution, instance norm, interpolation, warp,
    softmax. False also where one of them is not implemented there.
    """
    want = _chain(torch.device("cpu"))
    try:
        got = _chain(device).cpu()
    except (NotImplementedError, RuntimeError):
        return False
    difference = float((got - want).abs().max() / want.std())
    return difference < TOLERANCE  # not where it is NaN


def _chain(device: torch.device) -> Tensor:
    draw = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw).to(device)

    x = F.conv2d(random(1, 3, 32, 32), random(8, 3, 3, 3), stride=2, padding=1)
    x = F.leaky_relu(F.instance_norm(x), 0.2)
    x = F.conv_transpose2d(x, random(8, 8, 4, 4), stride=2, padding=1)
    x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    grid = random(1, 16, 16, 2).tanh()
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return x.flatten(2).softmax(dim=2) @ random(256, 4)
