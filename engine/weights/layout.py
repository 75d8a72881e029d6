"""The size, styles and average latent of a StyleGAN2 generator, from keys and shapes."""

import math
import re
from typing import Any

import torch
from torch import Tensor

from engine.core.errors import WeightsError
from engine.weights.checkpoint import StateDict

STYLE = 512
PUBLISHED_STYLES = 18


def generator_size(state: StateDict) -> int | None:
    """Output pixels of a StyleGAN2 generator: two convolutions double the size from 4 px on."""
    numbers = {int(match[1]) for key in state if (match := re.match(r"convs\.(\d+)\.", key))}
    return 4 * 2 ** (len(numbers) // 2) if numbers else None


def styles_of(size: int | None) -> int:
    """How many styles a generator of that output size takes; the published one if unknown.

    >>> styles_of(1024), styles_of(64), styles_of(None)
    (18, 10, 18)
    """
    return PUBLISHED_STYLES if size is None else 2 * int(math.log2(size)) - 2


def style_width(generator: StateDict) -> int:
    """Width of a generator's style vectors: what its first modulation reads; 512 as published."""
    first = generator.get("conv1.conv.modulation.weight")
    return STYLE if first is None or first.ndim != 2 else int(first.shape[1])


def average_latent(value: Any, styles: int, width: int = STYLE) -> Tensor | None:
    """The average latent as (styles, width) float32; a single (width,) is repeated."""
    if value is None:
        return None
    if not isinstance(value, Tensor) or value.shape[-1:] != (width,) or value.numel() == 0:
        kind = (
            "x".join(map(str, value.shape)) if isinstance(value, Tensor) else type(value).__name__
        )
        raise WeightsError(f"`latent_avg` is {kind}, not {styles}x{width} or {width}")
    rows = value.detach().to(torch.float32).reshape(-1, width)
    if len(rows) == 1:
        return rows.repeat(styles, 1)
    if len(rows) != styles:
        raise WeightsError(f"`latent_avg` has {len(rows)} styles, the generator takes {styles}")
    return rows.clone()
