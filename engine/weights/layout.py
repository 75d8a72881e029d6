"""What the keys and shapes of a state dict tell about the network it belongs to."""

import math
import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from engine.core.errors import WeightsError
from engine.weights.checkpoint import StateDict

STYLE = 512
PUBLISHED_STYLES = 18
FORK_KEY = "styles.0.convs.8.weight"
"""Only the fork's heads have a fifth convolution here: its first group keeps the resolution."""


def has(keys: Iterable[str], *prefixes: str) -> bool:
    """Whether every prefix begins some key."""
    keys = list(keys)
    return all(any(key.startswith(prefix) for key in keys) for prefix in prefixes)


def encoder_layout(state: StateDict) -> str:
    """`fork` for an encoder with strides 1, 2, 2, 2 and longer heads, else `published`."""
    return "fork" if FORK_KEY in state else "published"


def input_channels(state: StateDict) -> int | None:
    """3 for a picture, 4 with an age plane; None where the first convolution is missing."""
    first = state.get("input_layer.0.weight")
    return None if first is None or first.ndim != 4 else int(first.shape[1])


def generator_size(state: StateDict) -> int | None:
    """Output pixels of a StyleGAN2 generator: two convolutions double the size from 4 px on."""
    numbers = {int(found[1]) for key in state if (found := re.match(r"convs\.(\d+)\.", key))}
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
        told = (
            "x".join(map(str, value.shape)) if isinstance(value, Tensor) else type(value).__name__
        )
        raise WeightsError(f"`latent_avg` is {told}, not {styles}x{width} or {width}")
    rows = value.detach().to(torch.float32).reshape(-1, width)
    if len(rows) == 1:
        return rows.repeat(styles, 1)
    if len(rows) != styles:
        raise WeightsError(f"`latent_avg` has {len(rows)} styles, the generator takes {styles}")
    return rows.clone()
