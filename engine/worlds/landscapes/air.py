"""What is in the sky beside clouds: sunbeams, lightning, flocks of birds, balloons."""

import cv2
import numpy as np

from engine.worlds.landscapes.mood import Mood
from engine.worlds.landscapes.noise import colour, mixed, ramp, sample_tile, single, unit
from engine.worlds.landscapes.scene import Scene
from engine.worlds.landscapes.sky import sun_colour, sun_place

FLASH, BIRD = colour(0.97, 0.95, 1.0), colour(0.10, 0.10, 0.12)
BIRDS, BALLOONS, BOLTS = 30, 4, 3
FINER = 8
"""Coordinates of OpenCV's smooth lines, in parts of a pixel."""
SHIFT = 3
SILKS = ((0.86, 0.22, 0.16), (0.95, 0.72, 0.16), (0.20, 0.44, 0.78), (0.92, 0.90, 0.86))


def fill_air(sky: np.ndarray, view: Scene, mood: Mood) -> np.ndarray:
    """Put into a sky (3, side, side) what flies and flashes there at the scene's mood."""
    random = np.random.default_rng([89, view.seed])
    # Drawn before anything is left out, so that one thing's mood never moves another.
    bolts, flock, silks = (
        random.random((BOLTS, 4)),
        random.random((BIRDS, 4)),
        random.random((BALLOONS, 4)),
    )
    centre = random.uniform(0.2, 0.8), random.uniform(0.25, 0.6)
    sky = _beams(sky, view, mood)
    sky = _lightning(sky, view, mood, bolts)
    sky = _birds(sky, view, mood, flock, centre)
    return _balloons(sky, view, mood, silks)


def _beams(sky: np.ndarray, view: Scene, mood: Mood) -> np.ndarray:
    """Light between clouds, from the sun outwards: of high valence and arousal."""
    strength = float(ramp(mood.valence, 0.45, 0.85) * ramp(mood.arousal, 0.40, 0.90))
    if strength < 0.02:
        return sky
    side = sky.shape[1]
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    sun_x, sun_y = sun_place(view, mood)
    x, y = np.broadcast_arrays(centres[None] - sun_x, centres[:, None] - sun_y)
    angle = cv2.phase(single(x), single(y))
    beams = sample_tile("rough", view.variant, angle * 24 + view.offsets[3], 0 * angle + 7)
    far = np.hypot(x, y)
    light = strength * ramp(beams, -0.2, 0.9) * np.exp(-far / 0.7) * ramp(far, 0.03, 0.12)
    return mixed(sky, sun_colour(view, mood), unit(0.75 * light))


def _lightning(sky: np.ndarray, view: Scene, mood: Mood, bolts: np.ndarray) -> np.ndarray:
    """Forked bolts from the clouds to the horizon: of low valence and high arousal."""
    chance = float(ramp(mood.valence, 0.52, 0.15) * ramp(mood.arousal, 0.50, 0.85))
    side = sky.shape[1]
    drawn = np.zeros((side, side), np.uint8)
    for index, (fate, place, start, bend) in enumerate(bolts.tolist()):
        if fate >= chance:
            continue
        random = np.random.default_rng([97, view.seed, index])
        _bolt(drawn, random, (0.12 + 0.76 * place, 0.02 + 0.10 * start),
              (0.12 + 0.76 * place + 0.24 * (bend - 0.5), view.horizon), 0.0100)  # fmt: skip
    if not drawn.any():
        return sky
    bolt = drawn.astype(np.float32) / 255
    glow = cv2.GaussianBlur(bolt, (0, 0), side / 40)
    return mixed(mixed(sky, FLASH, unit(1.1 * glow)), FLASH, unit(1.2 * bolt))


def _bolt(
    drawn: np.ndarray,
    random: np.random.Generator,
    start: tuple[float, float],
    end: tuple[float, float],
    width: float,
) -> None:
    """Draw a zigzag that forks, all in sides of the picture."""
    side, steps = drawn.shape[0], 9
    share = np.linspace(0, 1, steps)
    stray = random.normal(0, 0.022, steps) * (share > 0)
    path = np.stack([start[0] + (end[0] - start[0]) * share + stray,
                     start[1] + (end[1] - start[1]) * share], axis=1)  # fmt: skip
    corners = np.rint(path * side * FINER).astype(np.int32)
    thick = max(round(width * side), 1)
    cv2.polylines(drawn, [corners], False, 255, thick, cv2.LINE_AA, SHIFT)
    if width < 0.008:
        return
    for fork in random.choice(np.arange(2, 7), 2, replace=False).tolist():
        x, y = path[fork].tolist()
        away = random.choice([-1, 1]) * random.uniform(0.08, 0.20)
        _bolt(drawn, random, (x, y), (x + away, y + random.uniform(0.10, 0.22)), 0.005)


def _birds(
    sky: np.ndarray, view: Scene, mood: Mood, flock: np.ndarray, centre: tuple[float, float]
) -> np.ndarray:
    """A flock that grows with arousal; calm skies are empty."""
    count = round(BIRDS * float(ramp(mood.arousal, 0.30, 1.0)))
    if not count:
        return sky
    side = sky.shape[1]
    drawn = np.zeros((side, side), np.uint8)
    for across, down, size, beat in flock[:count].tolist():
        x = centre[0] + 0.8 * (across - 0.5) + 0.2 * (down - 0.5)
        y = view.horizon * (centre[1] + 0.75 * (down - 0.5))
        span = 0.013 + 0.026 * size * size
        lift = span * (0.30 + 0.65 * beat)
        wing = np.array([(-span, -lift), (-0.45 * span, -0.55 * lift), (0, 0.15 * span),
                         (0.45 * span, -0.55 * lift), (span, -lift)])  # fmt: skip
        corners = np.rint((wing + np.array([x, y])) * side * FINER).astype(np.int32)
        wide = max(round(0.22 * span * side), 1)
        cv2.polylines(drawn, [corners], False, 255, wide, cv2.LINE_AA, SHIFT)
    return mixed(sky, BIRD + 0.15 * mood.horizon, 0.9 * drawn.astype(np.float32) / 255)


def _balloons(sky: np.ndarray, view: Scene, mood: Mood, silks: np.ndarray) -> np.ndarray:
    """Hot-air balloons: of high valence, and more of high arousal."""
    chance = float(ramp(mood.valence, 0.55, 0.95) * (0.25 + 0.75 * mood.arousal))
    shown = silks[silks[:, 0] < chance]
    if not len(shown):
        return sky
    side, picture = sky.shape[1], np.ascontiguousarray(sky.transpose(1, 2, 0), np.float32)

    def at(*values: float) -> tuple[int, ...]:
        return tuple(round(value * side * FINER) for value in values)

    for fate, across, down, size in shown.tolist():
        paint = np.array(SILKS[int(fate * 997) % len(SILKS)])
        x, radius = 0.08 + 0.84 * across, 0.032 + 0.040 * size
        y = view.horizon * (0.18 + 0.5 * down)
        other = np.array(SILKS[3]) if paint[2] < 0.8 else np.array(SILKS[0])
        basket = y + 1.75 * radius
        for lean in (-0.55, 0.55):
            top, foot = x + lean * radius, x + 0.15 * lean * radius
            rope = at(top, y + 0.8 * radius), at(foot, basket)
            cv2.line(picture, *rope, (0.25, 0.18, 0.14), 1, cv2.LINE_AA, SHIFT)
        drop = np.array([(-0.93, 0.40), (0.93, 0.40), (0.28, 1.30), (-0.28, 1.30)]) * radius
        corners = np.rint((drop + np.array([x, y])) * side * FINER).astype(np.int32)
        cv2.fillPoly(picture, [corners], (paint * 0.72).tolist(), cv2.LINE_AA, SHIFT)
        for share, silk in ((1.0, paint * 0.8), (0.66, other), (0.30, paint)):
            axes = at(share * radius, radius)
            cv2.ellipse(picture, at(x, y), axes, 0, 0, 360, silk.tolist(), -1, cv2.LINE_AA, SHIFT)
        wide = 0.20 * radius
        cv2.rectangle(picture, at(x - wide, basket), at(x + wide, basket + 1.6 * wide),
                      (0.36, 0.24, 0.14), -1, cv2.LINE_AA, SHIFT)  # fmt: skip
    return picture.transpose(2, 0, 1)
