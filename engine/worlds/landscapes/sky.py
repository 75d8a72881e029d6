"""Sky, sun and clouds."""

import numpy as np

from engine.worlds.landscapes.mood import Mood
from engine.worlds.landscapes.noise import colour, mixed, ramp, sample_tile, single, unit
from engine.worlds.landscapes.scene import Scene

LOW_SUN, HIGH_SUN = colour(1.0, 0.60, 0.28), colour(1.0, 0.96, 0.86)
WHITE, DISC = colour(1.0, 1.0, 1.0), colour(1.0, 0.99, 0.93)


def sun_place(view: Scene, mood: Mood) -> tuple[float, float]:
    """Column and row of the sun, in sides of the picture; higher for high valence."""
    height = 0.03 + (0.10 + 0.26 * mood.valence) * view.sun_height
    return view.sun_x, view.horizon - min(height, view.horizon - 0.06)


def sun_colour(view: Scene, mood: Mood) -> np.ndarray:
    """Colour of the light: red where the sun stands low."""
    _, row = sun_place(view, mood)
    return mixed(LOW_SUN, HIGH_SUN, float(unit(np.float32((view.horizon - row) * 4.5))))


def render_sky(view: Scene, mood: Mood, side: int) -> np.ndarray:
    """The whole sky (3, side, side), also where land will hide it."""
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = centres[None], centres[:, None]
    level = view.horizon
    picture = mixed(mood.zenith, mood.horizon, unit(y / level) ** 1.7 + 0 * x)
    sun_x, sun_y = sun_place(view, mood)
    far = np.hypot(x - sun_x, y - sun_y)
    light = sun_colour(view, mood)
    glow = mood.sun * (0.70 * np.exp(-far / 0.09) + 0.30 * np.exp(-far / 0.30))
    picture = mixed(picture, light, unit(glow))
    cover, bright = _clouds(view, mood, x, y, sun_x)
    dark = mood.zenith * 0.55 + mood.horizon * (0.10 + 0.12 * mood.valence)
    pale = mixed(mood.horizon, WHITE, 0.30 + 0.45 * mood.valence)
    picture = mixed(picture, mixed(dark, pale, bright), cover)
    # A rim of light where a cloud thins out before the sun.
    rim = mood.sun * cover * (1 - cover) * 2.4 * np.exp(-far / 0.16)
    picture = mixed(picture, light, unit(rim))
    disc = mood.sun * ramp(far, 0.030, 0.022) * (1 - 0.9 * cover)
    return mixed(picture, DISC, unit(disc))


def _clouds(
    view: Scene, mood: Mood, x: np.ndarray, y: np.ndarray, sun_x: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cover and brightness of clouds on a plane overhead, 0..1."""
    depth = 1 / np.maximum(view.horizon + 0.07 - y, 0.03)
    # Calm air lays clouds in long strips, storm heaps them up.
    u = (x - 0.5) * depth * (7 + 17 * mood.wind) + view.offsets[0]
    v = depth * (30 - 8 * mood.wind) + view.offsets[1] + 0 * x
    drift = np.sign(sun_x - 0.5) * 5

    def thickness(shift: float) -> np.ndarray:
        heaps = sample_tile("smooth", view.variant, u + shift, v)
        puffs = sample_tile("rough", view.variant, (u + shift) * 1.9, v * 1.9)
        return heaps + (0.06 + 0.52 * mood.wind) * puffs

    here = thickness(0.0)
    edge = 0.45 + 1.0 * mood.wind
    cover = unit((here + 2.3 * mood.clouds - 1.15) * edge)
    cover = cover * ramp(view.horizon - y, -0.02, 0.10) * (0.72 + 0.28 * mood.wind)
    bright = unit(
        0.62
        - (0.30 + 0.45 * mood.wind) * (thickness(drift) - here)
        - (0.34 - 0.2 * mood.valence) * cover
    )
    return single(cover), single(bright)
