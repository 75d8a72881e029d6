"""A network over a picture of any size: overlapping tiles of one size, their seams feathered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from engine.images.ranges import from_floats, to_floats

Network = Callable[[Tensor], Tensor]
"""(1, 3, h, w) to (1, 3, scale * h, scale * w), both in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """Sizes in pixels of the picture that is read.

    tile: side of what a tile adds, feathers included; pad: context around it that is thrown away
    again; feather: width of the strip in which neighbours blend.
    """

    tile: int
    pad: int = 16
    feather: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.feather < self.tile or self.pad < 0:
            raise ValueError(f"no tiling: {self}")

    @property
    def whole(self) -> int:
        """Side of the input of the network."""
        return self.tile + 2 * self.pad


def tiled(source: NDArray[Any], target: NDArray[Any], net: Network, tiling: Tiling) -> None:
    """Fill `target` (s h, s w, 3) with what `net` makes of `source` (h, w, 3), s times as large.

    Both are uint8, uint16 or float32 in [-1, 1]. Every tile has the same size; beyond the picture
    it holds the reflection. Beside both arrays one tile is in memory.
    """
    height, width = source.shape[:2]
    scale = target.shape[0] // height
    if target.shape != (height * scale, width * scale, 3):
        raise ValueError(f"{target.shape} is no multiple of {source.shape}")
    step = tiling.tile - tiling.feather
    for top in _starts(height, tiling.tile, step):
        for left in _starts(width, tiling.tile, step):
            rows = _reflected(top - tiling.pad, tiling.whole, height)
            columns = _reflected(left - tiling.pad, tiling.whole, width)
            made = net(to_floats(source[rows[:, None], columns[None]]))
            inner = slice(scale * tiling.pad, scale * (tiling.pad + tiling.tile))
            fresh = from_floats(made[..., inner, inner], target)
            _lay(target, fresh, scale * top, scale * left, scale * tiling.feather)


def _lay(target: NDArray[Any], fresh: NDArray[Any], top: int, left: int, feather: int) -> None:
    """Put a tile into its place; where it follows another it fades in over it."""
    place = target[top : top + fresh.shape[0], left : left + fresh.shape[1]]
    fresh = fresh[: place.shape[0], : place.shape[1]]
    under, beside = (feather if top else 0), (feather if left else 0)
    down, across = _ramp(place.shape[0], under), _ramp(place.shape[1], beside)
    place[under:, beside:] = fresh[under:, beside:]
    for rows, columns in (
        (slice(0, under), slice(None)),
        (slice(under, None), slice(0, beside)),
    ):
        share = (down[rows, None] * across[None, columns])[..., None]
        old = place[rows, columns].astype(np.float32)
        blend = old + (fresh[rows, columns].astype(np.float32) - old) * share
        place[rows, columns] = blend if place.dtype == np.float32 else np.rint(blend)


def _ramp(length: int, feather: int) -> NDArray[np.float32]:
    ramp = np.ones(length, np.float32)
    count = min(feather, length)
    ramp[:count] = (np.arange(count) + 0.5) / max(feather, 1)
    return ramp


def _starts(length: int, tile: int, step: int) -> range:
    """Where tiles begin; the last one may reach beyond the picture, and then is cut."""
    return range(0, max(length - (tile - step), 1), step)


def _reflected(first: int, count: int, length: int) -> NDArray[np.intp]:
    """Indices from `first` on, mirrored at both ends as often as it takes (`reflect` padding)."""
    if length == 1:
        return np.zeros(count, np.intp)
    period = 2 * (length - 1)
    places = np.arange(first, first + count) % period
    return np.minimum(places, period - places).astype(np.intp)
