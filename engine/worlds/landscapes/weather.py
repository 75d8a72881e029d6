"""Mist and rain between the camera and the land."""

import numpy as np

from engine.worlds.landscapes.mood import Mood
from engine.worlds.landscapes.noise import colour, mixed, ramp, sample_tile, unit
from engine.worlds.landscapes.scene import Scene

STREAK = colour(0.76, 0.80, 0.84)


def add_weather(picture: np.ndarray, view: Scene, mood: Mood) -> np.ndarray:
    """Add mist (low valence and arousal) and rain (low valence, high arousal), (3, side, side)."""
    side = picture.shape[1]
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = np.broadcast_arrays(centres[None], centres[:, None])
    if mood.mist > 0.02:
        banks = sample_tile("smooth", view.variant, x * 160 + view.offsets[7], y * 420)
        layer = np.exp(-np.abs(y - view.horizon - 0.04) / 0.17) * (0.75 + 0.25 * banks)
        picture = mixed(picture, mood.horizon, unit(0.85 * mood.mist * layer))
    if mood.rain > 0.02:
        slant = x * 620 + y * (60 + 130 * mood.wind)
        drops = sample_tile("fine", view.variant, slant, y * 22 + x * 4)
        veil = ramp(drops, 0.9, 2.6) * mood.rain * 0.45
        picture = mixed(picture, STREAK * (0.6 + 0.3 * mood.valence), unit(veil))
    return picture
