"""Lakes, rivers and the sea: the mirrored picture, ripples, glitter and foam."""

import cv2
import numpy as np

from engine.worlds.landscapes.ground import Surface, haze, haze_colour
from engine.worlds.landscapes.mood import Mood
from engine.worlds.landscapes.noise import colour, mixed, ramp, sample_tile, single, unit
from engine.worlds.landscapes.scene import Scene
from engine.worlds.landscapes.sky import sun_colour, sun_place

EDGE = cv2.BORDER_REPLICATE
FOAM = colour(0.93, 0.95, 0.96)


def render_water(picture: np.ndarray, surface: Surface, view: Scene, mood: Mood) -> np.ndarray:
    """Lay water over a picture of sky and land (3, side, side) where the ground is wet."""
    side = picture.shape[1]
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = np.broadcast_arrays(centres[None], centres[:, None])
    near = unit((y - view.horizon) / (1 - view.horizon))
    waves = sample_tile("smooth", view.variant, surface.across * 20, surface.distance * 60)
    waves = waves + 0.6 * sample_tile(
        "rough", view.variant, surface.across * 45, surface.distance * 110
    )
    swell = _swell(surface, view, mood)
    sway = (0.001 + 0.026 * mood.wind) * waves * (0.35 + near)
    rows = single((2 * view.horizon - y + sway) * side - 0.5)
    columns = single((x + 0.25 * sway) * side - 0.5)
    mirror = np.stack(
        [cv2.remap(p, columns, rows, cv2.INTER_LINEAR, borderMode=EDGE) for p in picture]
    )
    # Fresnel: near water is seen steeply, so that its own colour dominates.
    deep = unit(0.12 + 0.55 * near + (0.06 + 0.16 * mood.wind) * waves)
    shown = mixed(mirror * 0.94, mood.water, deep)
    shown = shown * (1 + (0.01 + 0.14 * mood.wind) * waves * (0.3 + near) + 1.1 * swell)
    sun_x, _ = sun_place(view, mood)
    path = np.exp(-(((x - sun_x) / (0.035 + 0.12 * near)) ** 2))
    glitter = mood.sun * path * (0.25 + 0.5 * waves) * (0.85 - 0.4 * near)
    shown = mixed(shown, sun_colour(view, mood), unit(glitter))
    crests = ramp(waves, 2.3 - 0.9 * mood.wind, 3.3 - 0.9 * mood.wind) * mood.wind
    shore = 4 * surface.wet * (1 - surface.wet)
    breakers = shore * (0.2 + 0.9 * mood.wind) if view.kind == "coast" else 0.25 * shore
    caps = ramp(swell, 0.20, 0.34) * ramp(waves, -0.9, 0.8)
    foam = unit(crests * (0.25 + 0.6 * near) + 0.9 * caps + breakers)
    shown = mixed(shown, FOAM * (0.5 + 0.45 * mood.valence), foam)
    shown = mixed(shown, haze_colour(mood), 0.7 * haze(mood, surface.distance))
    return mixed(picture, shown, surface.wet)


def _swell(surface: Surface, view: Scene, mood: Mood) -> np.ndarray:
    """Rows of waves that come in, (h, w): above 0 the crests, below the troughs; 0 where calm."""
    height = float(ramp(mood.wind, 0.30, 0.95))
    if height < 0.01:
        return np.zeros_like(surface.wet)
    across, distance = surface.across, np.maximum(surface.distance, 0.5)
    bent = sample_tile("smooth", view.variant, across * 9, distance * 7 + view.offsets[2])
    phase = 9.5 * np.log(distance) + 1.3 * bent + 0.5 * view.tilt * across
    # Trochoids: narrow crests, wide troughs (Gerstner 1804).
    crest = (0.5 + 0.5 * np.sin(2 * phase)) ** 3 - 0.31
    return single(height * 0.62 * crest * ramp(distance, 70, 16))
