"""From valence, arousal and a seed to a picture with its ground truth."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from engine.worlds.landscapes.air import fill_air
from engine.worlds.landscapes.composition import composed
from engine.worlds.landscapes.grade import graded
from engine.worlds.landscapes.ground import render_ground
from engine.worlds.landscapes.mood import mood_of
from engine.worlds.landscapes.noise import single
from engine.worlds.landscapes.planting import plant, settled
from engine.worlds.landscapes.scene import scene
from engine.worlds.landscapes.sky import render_sky
from engine.worlds.landscapes.terrain import SEA, land, visibility
from engine.worlds.landscapes.water import render_water
from engine.worlds.landscapes.weather import add_weather

SMALLEST_CANVAS = 128
GRAIN = 0.007


@dataclass(frozen=True, slots=True, eq=False)
class Landscape:
    """A picture, uint8 RGB (size, size, 3), and its ground truth as JSON values."""

    picture: np.ndarray
    truth: dict[str, Any]


def render(valence: float, arousal: float, seed: int, size: int = 128) -> Landscape:
    """Render the scene of a seed at a valence and an arousal in 0..1, ValueError outside.

    At another size it is the same picture but for its grain. Processes that render in parallel
    should call `cv2.setNumThreads(1)`.
    """
    mood = mood_of(valence, arousal, seed)
    view = composed(scene(seed), mood)
    side = max(2 * size, SMALLEST_CANVAS)
    ground = land(view, side)
    visible = visibility(ground, view, side)
    surface = render_ground(ground, visible, view, mood)
    sky = fill_air(render_sky(view, mood, side), view, mood)
    picture = single(np.where(visible.ground, surface.colour, sky))
    population = settled(ground, visible, view, mood)
    if view.kind in SEA:
        # The mirror shows them as well, so they are planted first, and before the water again.
        plant(picture, population, view, mood)
        picture = render_water(picture, surface, view, mood)
    plant(picture, population, view, mood)
    picture = add_weather(picture, view, mood)
    small = [cv2.resize(plane, (size, size), interpolation=cv2.INTER_AREA) for plane in picture]
    noise = np.random.default_rng([67, seed]).standard_normal((size, size), dtype=np.float32)
    shown = graded(np.stack(small), mood, GRAIN * noise)
    truth = {"seed": seed, "valence": valence, "arousal": arousal, "kind": view.kind, "size": size}
    return Landscape(np.rint(shown.transpose(1, 2, 0) * 255).astype(np.uint8), truth)
