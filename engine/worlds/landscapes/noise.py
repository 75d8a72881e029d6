"""Tileable noise, made on first use and kept, and the arithmetic of soft masks."""

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

TILE = 512
VARIANTS = 4
"""Tiles of each kind; scenes sample them at different offsets."""
# Exponent of the power spectrum: 1/f^beta.
_BETAS = {"smooth": 3.2, "rough": 2.4, "fine": 1.5}
_SEEDS = {name: index for index, name in enumerate((*_BETAS, "ridged"))}


@cache
def tile(name: str, variant: int) -> np.ndarray:
    """Noise (TILE, TILE), float32, without a seam: mean 0 and variance 1, `ridged` in 0..1."""
    random = np.random.default_rng([41, _SEEDS[name], variant])
    return _ridged(random) if name == "ridged" else _fractal(random, _BETAS[name])


def sample_tile(name: str, variant: int, across: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Bilinear samples of a periodic tile at coordinates in tile pixels."""
    x, y = (_wrapped(coordinates) for coordinates in np.broadcast_arrays(across, along))
    return cv2.remap(tile(name, variant), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def ramp(value: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike) -> np.ndarray:
    """Smooth step from 0 at `low` to 1 at `high`, which may be the lower one."""
    start = np.asarray(low)
    t = np.clip((np.asarray(value) - start) / (np.asarray(high) - start), 0, 1)
    return single(t * t * (3 - 2 * t))


def mixed(one: np.ndarray, other: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """Blend colours (3, ...) by a share in 0..1 of the other, a number or a map (h, w)."""
    return one + (other - one) * single(share)


def colour(red: float, green: float, blue: float) -> np.ndarray:
    """A colour as float32 (3, 1, 1): pictures are planes here, which numpy blends fastest."""
    return single(np.array([red, green, blue])[:, None, None])


def unit(value: npt.ArrayLike) -> np.ndarray:
    """Clip to 0..1."""
    return np.clip(np.asarray(value), 0, 1)


def single(values: npt.ArrayLike) -> np.ndarray:
    """Values as float32: one stray float64 array would slow down every later step."""
    return np.asarray(values, np.float32)


def _wrapped(coordinates: np.ndarray) -> np.ndarray:
    # OpenCV stores coordinates as short integers: large ones would saturate.
    return single(coordinates - TILE * np.floor(coordinates / TILE))


def _spectrum() -> np.ndarray:
    down, right = np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None]
    frequency = np.hypot(down, right) * TILE
    frequency[0, 0] = np.inf
    return frequency


def _fractal(random: np.random.Generator, beta: float, low: float = 0.0) -> np.ndarray:
    frequency = _spectrum()
    gain = np.where(frequency >= low, frequency ** (-beta / 2), 0.0)
    white = np.fft.rfft2(random.standard_normal((TILE, TILE)))
    noise = np.fft.irfft2(white * gain, (TILE, TILE))
    return single((noise - noise.mean()) / noise.std())


def _ridged(random: np.random.Generator) -> np.ndarray:
    """Crests with valleys that branch (Musgrave's ridged multifractal, Texturing 2003, ch. 16)."""
    total, weight = np.zeros((TILE, TILE)), np.ones((TILE, TILE))
    for octave in range(6):
        cycles = 4 * 2**octave
        frequency = _spectrum()
        band = np.exp(-2 * np.log2(frequency / cycles) ** 2)
        noise = np.fft.irfft2(
            np.fft.rfft2(random.standard_normal((TILE, TILE))) * band, (TILE, TILE)
        )
        crest = np.clip(1 - np.abs(noise) / (1.6 * noise.std()), 0, 1) ** 2
        total += crest * weight * 0.52**octave
        weight = np.clip(1.6 * crest * weight + 0.1, 0, 1)
    low, high = np.quantile(total, [0.01, 0.995])
    return single(np.clip((total - low) / (high - low), 0, 1.15))
