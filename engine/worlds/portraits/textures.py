"""Tileable noise, made on first use and kept."""

from functools import cache

import cv2
import numpy as np

REFERENCE_SIZE = 256  # portrait size at which one texture pixel is one picture pixel
TILE = 512

# Standard deviation of the blur in reference pixels: (across, along).
_FINENESS = {
    "grain": (0.6, 0.6),
    "pores": (1.1, 1.1),
    "speckle": (1.8, 1.8),
    "spot": (2.6, 2.6),
    "blotch": (4.5, 4.5),
    "cloud": (22.0, 22.0),
}
# Hair comes in three layers: single strands, locks, and the strands that turn grey first.
_HAIR_FINENESS = {
    "strand": ((1.3, 34.0), (5.0, 90.0), (1.2, 20.0)),
    "bristle": ((1.3, 5.0), (4.5, 9.0), (1.5, 6.0)),
}
_SEEDS = {name: place for place, name in enumerate((*_FINENESS, *_HAIR_FINENESS, "curl"))}


def patch(name: str, size: int, height: int, width: int, offset: int) -> np.ndarray:
    """Cut a (height, width) piece out of a unit-variance noise for portraits of `size` pixels."""
    tile = _tile(name, size)
    top = int(offset * 37 % 256 * size / REFERENCE_SIZE)
    left = int(offset * 101 % 256 * size / REFERENCE_SIZE)
    return tile[top : top + height, left : left + width]


@cache
def hair(name: str) -> np.ndarray:
    """Strands, locks and early-grey noise as one (TILE, TILE, 3) texture; strands run downwards."""
    if name == "curl":
        return _curls()
    layers = _HAIR_FINENESS[name]
    return cv2.merge([_noise(20 + 3 * _SEEDS[name] + i, *fine) for i, fine in enumerate(layers)])


@cache
def _tile(name: str, size: int) -> np.ndarray:
    tile = _noise(_SEEDS[name], *_FINENESS[name])
    edge = round(TILE * size / REFERENCE_SIZE)
    if edge == TILE:
        return tile
    way = cv2.INTER_AREA if edge < TILE else cv2.INTER_LINEAR
    return cv2.resize(tile, (edge, edge), interpolation=way)


def _curls() -> np.ndarray:
    """Ringlets: the level lines of a smooth noise, wound tightly."""
    winding = np.sin(3.2 * _noise(40, 5.0, 5.0) + 1.2 * _noise(41, 2.2, 2.2)).astype(np.float32)
    ringlets = 0.75 * winding + 0.4 * _noise(42, 1.3, 1.3)
    clumps = _noise(43, 7.0, 7.0)
    early_grey = 0.5 * _noise(44, 1.5, 1.5) + 0.3 * winding
    return cv2.merge([ringlets, clumps, early_grey])


def _noise(seed: int, across: float, along: float) -> np.ndarray:
    """Unit-variance (TILE, TILE) noise blurred on the torus."""
    white = np.random.default_rng([3, seed]).standard_normal((TILE, TILE))
    rows = np.exp(-2 * (np.pi * along * np.fft.fftfreq(TILE)) ** 2)
    columns = np.exp(-2 * (np.pi * across * np.fft.rfftfreq(TILE)) ** 2)
    smooth = np.fft.irfft2(np.fft.rfft2(white) * rows[:, None] * columns, s=(TILE, TILE))
    return (smooth / smooth.std()).astype(np.float32)
