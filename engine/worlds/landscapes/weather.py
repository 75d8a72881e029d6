"""Mist and rain between the camera and the land."""

import numpy as np

from engine.worlds.landscapes.mood import Mood
from engine.worlds.landscapes.noise import colour, mixed, ramp, sample_tile, unit
from engine.worlds.landscapes.scene import Scene

STREAK, DUST, FLAKE = colour(0.76, 0.80, 0.84), colour(0.70, 0.58, 0.40), colour(0.95, 0.96, 1.0)


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
        tone, opaque = STREAK, 0.60
        slant = x * 430 + view.side * y * (60 + 170 * mood.wind)
        down = y * 20 - view.side * x * 5
        if view.kind == "snow":
            tone, opaque, slant, down = FLAKE, 0.85, x * 150 + view.side * y * 60, y * 110
        elif view.kind == "dunes":
            tone, opaque, slant, down = DUST, 0.70, x * 26, y * 200 + view.side * x * 20
        drops = sample_tile("fine", view.variant, slant, down)
        veil = ramp(drops, 0.7, 2.3) * mood.rain * opaque
        picture = mixed(picture, tone * (0.7 + 0.3 * mood.valence), unit(veil))
    return picture
