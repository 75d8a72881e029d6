"""Many landscapes at once: through a network in parts, over the plane, and as one sheet."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from engine.images.ranges import to_pixels

TOGETHER = 64


def in_parts(net: Callable[..., Tensor], device: torch.device, *inputs: Tensor) -> Tensor:
    """What a network says of many inputs, (n, ...) on the CPU."""
    parts = zip(*(each.split(TOGETHER) for each in inputs), strict=True)
    return torch.cat([net(*(x.to(device) for x in part)).float().cpu() for part in parts])


def plane(steps: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Places (steps², 2) over the plane: rows of valence from the top down, columns of arousal."""
    ticks = torch.linspace(low, high, steps)
    return torch.stack([ticks.flip(0).repeat_interleave(steps), ticks.repeat(steps)], dim=1)


def tiled(pictures: Tensor, columns: int) -> np.ndarray:
    """Pictures (n, 3, s, s) in [-1, 1] in rows of `columns`, uint8 RGB (h, w, 3)."""
    tiles = [to_pixels(picture) for picture in pictures]
    lines = [np.concatenate(tiles[at : at + columns], 1) for at in range(0, len(tiles), columns)]
    return np.concatenate(lines)
