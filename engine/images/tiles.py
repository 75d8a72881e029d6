"""A network over a picture of any size: equal tiles, cut to the picture, their seams feathered."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from engine.images.ranges import from_floats, to_floats

Network = Callable[[Tensor], Tensor]
"""(1, 3, h, w) to (1, 3, scale * h, scale * w), both in [-1, 1]."""


class Span(NamedTuple):
    """One tile along one side: read from `first` to `last`, kept from `begin` to `end`."""

    first: int
    last: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a picture is cut, in pixels of the picture that is read.

    area: most pixels that the network gets at once; pad: context towards a neighbour that is
    thrown away again; feather: width of the strip in which neighbours blend.
    """

    area: int
    pad: int = 16
    feather: int = 8

    def __post_init__(self) -> None:
        if min(self.pad, self.feather) < 0 or self.area < (self.overlap + 1) ** 2:
            raise ValueError(f"no tiling: {self}")

    @classmethod
    def of_side(cls, tile: int, pad: int = 16, feather: int = 8) -> Self:
        """Tiles that hold as many pixels as a square of `tile`, its context not counted."""
        return cls((tile + 2 * pad) ** 2, pad, feather)

    @property
    def overlap(self) -> int:
        """What neighbours share at least."""
        return 2 * self.pad + self.feather

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of equal tiles that cover a picture with the fewest pixels."""
        best = (height * width * 2**62, 0, 0)
        for rows in range(1, max(height - self.overlap, 1) + 1):
            tall = _side(height, rows, self.overlap)
            room = self.area // tall
            if room < width and room <= self.overlap:
                continue
            columns = 1 if room >= width else -(-(width - self.overlap) // (room - self.overlap))
            cost = rows * tall * columns * _side(width, columns, self.overlap)
            if cost >= best[0]:
                if rows * tall * width >= best[0]:  # from here on even one column costs more
                    break
                continue
            best = (cost, rows, columns)
        return best[1:]

    def spans(self, length: int, count: int) -> Iterator[Span]:
        """The tiles along one side."""
        side = _side(length, count, self.overlap)
        starts = [index * (length - side) // max(count - 1, 1) for index in range(count)]
        for first, following in zip(starts, [*starts[1:], None], strict=True):
            begin = first + self.pad if first else 0
            end = length if following is None else following + self.pad + self.feather
            yield Span(first, first + side, begin, end)


def tiled(source: NDArray[Any], target: NDArray[Any], net: Network, tiling: Tiling) -> None:
    """Fill `target` (s h, s w, 3) with what `net` makes of `source` (h, w, 3), s times as large.

    Both are uint8, uint16 or float32 in [-1, 1]. A picture that fits goes in one piece, which is
    the plain call; else all tiles have the same size, and where the picture ends the network pads
    as it does by itself. Beside both arrays one tile is in memory.
    """
    height, width = source.shape[:2]
    scale = target.shape[0] // height
    if target.shape != (height * scale, width * scale, 3):
        raise ValueError(f"{target.shape} is no multiple of {source.shape}")
    rows, columns = tiling.grid(height, width)
    for down in tiling.spans(height, rows):
        for across in tiling.spans(width, columns):
            made = net(to_floats(source[down.first : down.last, across.first : across.last]))
            kept = made[..., _kept(down, scale), _kept(across, scale)]
            fresh = from_floats(kept, target)
            _lay(target, fresh, scale * down.begin, scale * across.begin, scale * tiling.feather)


def _side(length: int, count: int, overlap: int) -> int:
    """Length of each of `count` equal tiles over `length` whose neighbours share `overlap`."""
    return -(-(length + (count - 1) * overlap) // count)


def _kept(span: Span, scale: int) -> slice:
    return slice(scale * (span.begin - span.first), scale * (span.end - span.first))


def _lay(target: NDArray[Any], fresh: NDArray[Any], top: int, left: int, feather: int) -> None:
    """Put a tile into its place; where it follows another it fades in over it."""
    place = target[top : top + fresh.shape[0], left : left + fresh.shape[1]]
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
