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
    sway = (0.003 + 0.030 * mood.wind) * waves * (0.35 + near)
    rows = single((2 * view.horizon - y + sway) * side - 0.5)
    columns = single((x + 0.25 * sway) * side - 0.5)
    mirror = np.stack(
        [cv2.remap(p, columns, rows, cv2.INTER_LINEAR, borderMode=EDGE) for p in picture]
    )
    # Fresnel: near water is seen steeply, so that its own colour dominates.
    deep = unit(0.12 + 0.55 * near + (0.06 + 0.16 * mood.wind) * waves)
    shown = mixed(mirror * 0.94, mood.water, deep)
    shown = shown * (1 + (0.05 + 0.10 * mood.wind) * waves * (0.3 + near))
    sun_x, _ = sun_place(view, mood)
    path = np.exp(-(((x - sun_x) / (0.035 + 0.12 * near)) ** 2))
    glitter = mood.sun * path * (0.25 + 0.5 * waves) * (0.85 - 0.4 * near)
    shown = mixed(shown, sun_colour(view, mood), unit(glitter))
    crests = ramp(waves, 2.3 - 0.9 * mood.wind, 3.3 - 0.9 * mood.wind) * mood.wind
    shore = 4 * surface.wet * (1 - surface.wet)
    breakers = shore * (0.35 + 0.6 * mood.wind) if view.kind == "coast" else 0.25 * shore
    foam = unit(crests * (0.25 + 0.6 * near) + breakers)
    shown = mixed(shown, FOAM * (0.5 + 0.45 * mood.valence), foam)
    shown = mixed(shown, haze_colour(mood), 0.7 * haze(mood, surface.distance))
    return mixed(picture, shown, surface.wet)
