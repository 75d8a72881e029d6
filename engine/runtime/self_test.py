"""Whether a device computes what the processor computes."""

import torch
import torch.nn.functional as F
from torch import Tensor

TOLERANCE = 1e-3
"""Largest difference from the processor, in standard deviations of its output: far above rounding
in another order, far below a step that is left out."""


def disagreement(device: torch.device) -> str | None:
    """Why a device is not used: what its operators give beside the processor's; None if the same.

    A small chain of those of our networks: strided and transposed convolution, instance norm,
    interpolation, warp, softmax. Torch raises RuntimeError for one that is not implemented there,
    and for whatever else fails on the device: its first line is the reason.
    """
    want = _chain(torch.device("cpu"))
    try:
        got = _chain(device).cpu()
    except RuntimeError as error:
        return f"fails in a test of its operators: {' '.join(str(error).split())[:200]}"
    difference = float((got - want).abs().max() / want.std())
    if difference < TOLERANCE:
        return None
    return f"differs from the processor by {difference:.2g} standard deviations"


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
