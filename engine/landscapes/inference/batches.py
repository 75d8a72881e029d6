"""Networks over many inputs, grids of the valence-arousal plane, and sheets of images."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from engine.images.ranges import to_pixels
from engine.landscapes.nets.generator import LandscapeGenerator

BATCH = 64


def in_batches(net: Callable[..., Tensor], device: torch.device, *inputs: Tensor) -> Tensor:
    """`net` applied to (n, ...) inputs in batches of 64; the outputs (n, ...) on the CPU."""
    batches = zip(*(each.split(BATCH) for each in inputs), strict=True)
    return torch.cat([net(*(x.to(device) for x in batch)).float().cpu() for batch in batches])


def generate_in_batches(
    generator: LandscapeGenerator, device: torch.device, noise: Tensor, va: Tensor
) -> Tensor:
    """Images (n, 3, s, s) on the CPU, of noise (n, latent), valence and arousal (n, 2)."""
    return in_batches(lambda z, va: generator(generator.latents(z), va), device, noise, va)


def va_grid(steps: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Valence and arousal (steps², 2): rows of falling valence, columns of rising arousal."""
    ticks = torch.linspace(low, high, steps)
    return torch.stack([ticks.flip(0).repeat_interleave(steps), ticks.repeat(steps)], dim=1)


def tiled(pictures: Tensor, columns: int) -> np.ndarray:
    """Pictures (n, 3, s, s) in [-1, 1] in rows of `columns`, uint8 RGB (h, w, 3)."""
    return sheet([to_pixels(picture) for picture in pictures], columns)


def sheet(pictures: list[np.ndarray], columns: int) -> np.ndarray:
    """Pictures of one size, uint8 RGB, in rows of `columns`: (h, w, 3)."""
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])
