"""From valence and arousal to colours, light and weather.

High valence: sun, warmth, saturation and growth; high arousal: contrast, wind and storm. What is
drawn changes with it: `composition` (mountains and hills), `population` (houses, boats, flowers or
dead trees and rocks, and how far the wind bends them) and `air` (beams, lightning, birds). This is
a design of the world, not a model of people's ratings of photographs.
"""

from dataclasses import dataclass

import numpy as np

from engine.worlds.landscapes.noise import colour, mixed, ramp

NAMES = ("zenith", "horizon", "leaves", "rock", "water")
# Colours at the corners of the plane, (valence, arousal), in the order of NAMES.
CORNERS = {
    (0, 0): ((0.44, 0.50, 0.58), (0.66, 0.70, 0.74), (0.27, 0.30, 0.26), (0.38, 0.39, 0.42),
             (0.28, 0.34, 0.39)),
    (0, 1): ((0.10, 0.11, 0.18), (0.44, 0.33, 0.33), (0.14, 0.16, 0.13), (0.24, 0.21, 0.23),
             (0.08, 0.11, 0.16)),
    (1, 0): ((0.46, 0.68, 0.90), (1.00, 0.87, 0.72), (0.45, 0.56, 0.27), (0.62, 0.56, 0.54),
             (0.28, 0.54, 0.66)),
    (1, 1): ((0.12, 0.40, 0.86), (1.00, 0.76, 0.44), (0.36, 0.49, 0.17), (0.68, 0.47, 0.34),
             (0.04, 0.36, 0.60)),
}  # fmt: skip
JITTER = 0.03
"""Standard deviation of a scene's offset in the plane before colours are looked up."""
COLOUR_JITTER = 0.06
"""Largest relative deviation of a scene's colours."""


@dataclass(frozen=True, slots=True, eq=False)
class Mood:
    """The appearance of one scene at its valence and arousal.

    valence, arousal: 0..1; colours are display RGB in 0..1, (3, 1, 1).
    """

    valence: float
    arousal: float
    zenith: np.ndarray
    horizon: np.ndarray
    leaves: np.ndarray
    rock: np.ndarray
    water: np.ndarray
    sun: float
    """Visibility of the sun, 0..1."""
    clouds: float
    """Cloud cover, 0..1."""
    mist: float
    wind: float
    rain: float
    bloom: float
    """Flowers, and leaves on the trees."""


def mood_of(valence: float, arousal: float, seed: int) -> Mood:
    """The mood of a scene; ValueError outside 0..1."""
    if not (0 <= valence <= 1 and 0 <= arousal <= 1):
        raise ValueError(f"valence {valence:g} and arousal {arousal:g} must lie in 0..1")
    random = np.random.default_rng([43, seed])
    v, a = np.clip(np.array([valence, arousal]) + random.normal(0, JITTER, 2), 0, 1).tolist()
    colours = {
        name: _corner(index, v, a)
        * colour(*random.uniform(1 - COLOUR_JITTER, 1 + COLOUR_JITTER, 3))
        for index, name in enumerate(NAMES)
    }
    return Mood(
        valence,
        arousal,
        **colours,
        sun=float(ramp(v, 0.25, 0.7)),
        clouds=float(np.clip(0.78 - 0.62 * v + 0.12 * a + random.normal(0, 0.08), 0.06, 0.95)),
        mist=float((1 - v) ** 1.2 * (1 - a) ** 1.2),
        wind=a,
        rain=float(ramp(v, 0.50, 0.15) * ramp(a, 0.45, 0.85)),
        bloom=v,
    )


def _corner(index: int, valence: float, arousal: float) -> np.ndarray:
    """A colour, bilinear between the corners of the plane."""
    low, high = (
        mixed(colour(*CORNERS[v, 0][index]), colour(*CORNERS[v, 1][index]), arousal) for v in (0, 1)
    )
    return mixed(low, high, valence)
