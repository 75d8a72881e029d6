"""Colours of the land: what grows where, and how the sun lies on it."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from engine.worlds.landscapes.mood import Mood
from engine.worlds.landscapes.noise import colour, mixed, ramp, sample_tile, single, unit
from engine.worlds.landscapes.scene import Scene
from engine.worlds.landscapes.sky import WHITE, sun_colour, sun_place
from engine.worlds.landscapes.terrain import PER_UNIT, SEA, WATER, Land, Visibility

SAND, SNOW = colour(0.80, 0.68, 0.48), colour(0.93, 0.95, 1.0)
EARTH, STRAW = colour(0.52, 0.42, 0.31), colour(0.74, 0.64, 0.34)


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Ground by pixel: colour (3, h, w), and maps (h, w) of lateral position, distance, wetness."""

    colour: np.ndarray
    across: np.ndarray
    distance: np.ndarray
    wet: np.ndarray


def haze_colour(mood: Mood) -> np.ndarray:
    """What distance fades into."""
    return mixed(mood.horizon, mood.zenith, 0.30)


def haze(mood: Mood, distance: npt.ArrayLike) -> np.ndarray:
    """0..1: how much of the colour at a distance is the air's."""
    density = 0.006 + 0.010 * (1 - mood.arousal) + 0.030 * mood.mist
    return single(1 - np.exp(-density * np.asarray(distance)))


def render_ground(ground: Land, visible: Visibility, view: Scene, mood: Mood) -> Surface:
    """Colour the land, light it, and let it fade into the distance."""

    def to_pixels(layer: np.ndarray) -> np.ndarray:
        side = visible.slice.shape[1]
        column = np.broadcast_to(np.arange(side, dtype=np.float32), visible.slice.shape)
        planes = np.moveaxis(layer, 0, -1) if layer.ndim == 3 else layer
        values = cv2.remap(single(planes), column, visible.slice, cv2.INTER_LINEAR)
        return np.ascontiguousarray(np.moveaxis(values, -1, 0)) if layer.ndim == 3 else values

    across, distance = to_pixels(ground.across), to_pixels(ground.distance)
    shown = to_pixels(_albedo(ground, view, mood) * _light(ground, view, mood))
    shown = shown * _texture(across, distance, view, mood)
    if view.kind in ("meadow", "river", "lake") and mood.bloom > 0.3:
        spots = sample_tile("fine", view.variant, across * 95, distance * 60)
        patches = sample_tile("smooth", view.variant, across * 9, distance * 9)
        bloom = ramp(spots + 0.6 * patches, 1.9, 2.5) * (mood.bloom - 0.3) * 1.3
        shown = mixed(shown, colour(*view.flower), unit(bloom * ramp(distance, 11, 3)))
    shown = mixed(shown, haze_colour(mood), haze(mood, distance))
    wet = np.where(visible.ground, to_pixels(ground.wet), 0)
    return Surface(single(shown), across, distance, single(wet))


def _albedo(ground: Land, view: Scene, mood: Mood) -> np.ndarray:
    """Colours of the ground by slope, height and kind, (3, slices, width)."""
    x, z = ground.across * PER_UNIT, ground.distance * PER_UNIT
    patches = sample_tile("smooth", view.variant, x * 2.2 + view.offsets[2], z * 2.2)
    speckle = sample_tile("rough", view.variant, x * 6 + view.offsets[3], z * 6)
    steep = np.hypot(*ground.slope)
    grass = mixed(mood.leaves, STRAW * (0.45 + 0.5 * mood.valence), unit(0.22 + 0.22 * patches))
    grass = grass * (0.95 + 0.16 * speckle)
    cliff = mood.rock * (0.92 + 0.20 * speckle)
    wood = mood.leaves * (0.46 + 0.10 * speckle)
    forest = ramp(patches + 0.5 * speckle, -0.3, 0.6) * ramp(z, 40, 90) * ramp(steep, 1.3, 0.5)
    soil = mixed(grass, wood, forest)
    if view.kind == "dunes":
        soil = mixed(SAND, mood.rock, 0.25) * (0.55 + 0.5 * mood.valence)
    if view.kind == "snow":
        soil = SNOW * (0.70 + 0.22 * mood.valence) * (1 + 0.05 * patches)
    if view.kind in SEA:
        beach = 0.14 if view.kind == "coast" else 0.03
        shore = ramp(ground.height - WATER + 0.02 * speckle, 2.2 * beach, beach)
        soil = mixed(soil, SAND * (0.5 + 0.45 * mood.valence), shore)
    if view.kind in ("meadow", "forest", "snow", "alps"):
        soil = mixed(soil, EARTH * (0.6 + 0.4 * mood.valence), 0.8 * ground.stream)
    level = ramp(steep + 0.18 * speckle, 0.45, 0.95)
    shown = mixed(soil, cliff, level * ramp(ground.height, 0.4, 2.0))
    line = view.mountains * (0.50 if view.kind in ("alps", "snow") else 0.62)
    snow = ramp(ground.height + 0.12 * view.mountains * speckle, line, line * 1.25)
    snow = snow * ramp(steep, 2.4, 0.9) * (view.mountains > 6)
    return mixed(shown, SNOW * (0.75 + 0.25 * mood.valence), snow)


def _light(ground: Land, view: Scene, mood: Mood) -> np.ndarray:
    """Light on the ground by its slope, cast shadows and passing clouds, (3, slices, width)."""
    sun_x, sun_y = sun_place(view, mood)
    light = np.array([2.2 * (sun_x - 0.5), 0.35 + 1.6 * (view.horizon - sun_y), 0.45], np.float32)
    light /= np.linalg.norm(light)
    along, across = ground.slope
    length = np.sqrt(1 + along**2 + across**2)
    lit = np.maximum(light[1] - light[0] * across - light[2] * along, 0) / length
    # A slope is in shadow where a crest beside it, towards the sun, rises above the light.
    climb = ground.height - ground.across * (light[1] / light[0] if abs(light[0]) > 0.05 else 20.0)
    ahead = climb if light[0] < 0 else climb[:, ::-1]
    crest = np.maximum.accumulate(ahead, axis=1)
    crest = crest if light[0] < 0 else crest[:, ::-1]
    shadow = ramp(crest - climb, 0.4, 0.05)
    clouds = sample_tile("smooth", view.variant, ground.across * 1.6, ground.distance * 1.6)
    passing = ramp(clouds, 0.9 - 1.3 * mood.clouds, -0.5 - 1.3 * mood.clouds)
    direct = lit * (0.30 + 0.70 * shadow) * (0.55 + 0.45 * passing)
    key = (0.55 + 0.75 * mood.sun + 0.35 * mood.arousal) * direct
    ambient = 0.50 + 0.16 * mood.valence - 0.10 * mood.arousal
    white = mixed(WHITE, sun_colour(view, mood), 0.5 * mood.sun)
    skylight = 0.75 + 0.5 * mood.zenith / max(float(mood.zenith.mean()), 0.1) * 0.5
    return single(key * white + ambient * skylight)


def _texture(across: np.ndarray, distance: np.ndarray, view: Scene, mood: Mood) -> np.ndarray:
    """Blades, ripples and stones as a factor, finer than the plan."""
    grain = sample_tile("fine", view.variant, across * 60 + view.offsets[4], distance * 42)
    coarse = sample_tile("rough", view.variant, across * 26, distance * 20 + view.offsets[5])
    if view.kind == "dunes":
        ripple = np.sin(distance * 26 + 3 * coarse + 6 * across)
        grain, coarse = 0.3 * grain + 0.6 * ripple * ramp(distance, 9, 3), 0.12 * coarse
    if view.kind == "snow":
        grain, coarse = 0.25 * grain, 0.35 * coarse
    near = ramp(distance, 22, 3)
    strength = 0.05 + 0.15 * mood.arousal
    dry = float(ramp(mood.valence, 0.45, 0.10)) * (view.kind != "snow")
    cracks = sample_tile("ridged", view.variant, across * 34, distance * 34 + view.offsets[6])
    cracked = 1 - 0.5 * dry * ramp(cracks, 0.48, 0.66) * ramp(distance, 9, 2.5)
    return single((1 + near * strength * (grain + 0.8 * coarse)) * cracked)
