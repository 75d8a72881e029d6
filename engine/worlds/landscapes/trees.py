"""Trees over the land: kinds, positions and colours."""

import cv2
import numpy as np

from engine.worlds.landscapes.ground import haze, haze_colour
from engine.worlds.landscapes.mood import Mood
from engine.worlds.landscapes.noise import colour, mixed, ramp, single
from engine.worlds.landscapes.scene import Scene
from engine.worlds.landscapes.sky import sun_place
from engine.worlds.landscapes.sprites import SIDE, SORTS, Growth, sprite
from engine.worlds.landscapes.terrain import SEA, SLICES, WATER, Land, Visibility, heights, trail

BARK, FROST = colour(0.20, 0.16, 0.13), colour(0.9, 0.93, 1.0)
NEAREST, FOREST_EDGE, FARTHEST = 4.5, 2.8, 42.0


def plant(picture: np.ndarray, ground: Land, visible: Visibility, view: Scene, mood: Mood) -> None:
    """Render the scene's trees into a picture (3, side, side) in place, far ones first.

    No tree stands in water, on the path, or where a hill hides its foot.
    """
    side, count = picture.shape[1], view.trees + view.near_trees
    if not count:
        return
    random = np.random.default_rng([59, view.seed])
    nearest = FOREST_EDGE if view.kind == "forest" else NEAREST
    far = nearest * (FARTHEST / nearest) ** random.random(count)
    far[view.trees :] = random.uniform(2.2, 3.6, view.near_trees)
    # Woods stand in clumps; the near trees keep to the sides of the picture.
    clump = 0.15 * np.sin(np.arange(count) * 2.4 + view.offsets[6]) * (view.kind != "forest")
    position = clump + random.uniform(-0.55, 0.55, count)
    sides = random.choice([-1, 1], view.near_trees)
    position[view.trees :] = sides * random.uniform(0.28, 0.5, view.near_trees)
    fates = random.random((count, 4))
    spots = single(position * far)[None], single(far)[None]
    foot, path = heights(view, *spots)[0], trail(view, *spots)[0]
    column = (0.5 + position) * side
    base = (view.horizon + (1 - foot) / far) * side
    stands = (column >= 0) & (column < side) & (path < 0.1)
    if view.kind in SEA:
        stands &= foot > WATER + 0.06
    row, at = (np.clip(x.astype(int), 0, side - 1) for x in (base - 1, column))
    first, last = float(ground.distance[0, 0]), float(ground.distance[-1, 0])
    shown = first * (last / first) ** (visible.slice[row, at] / (SLICES - 1))
    stands &= (base >= side) | ~visible.ground[row, at] | (shown > 0.8 * far)
    left = sun_place(view, mood)[0] < 0.5
    for index in np.argsort(-far)[stands[np.argsort(-far)]].tolist():
        fate, growth = fates[index], _growth(view, mood, fates[index])
        tall = (0.55 + 0.6 * fate[3]) * (2.0 if growth == "conifer" else 1.7)
        tone = _Tone(view, mood, float(far[index]), left)
        _set(picture, growth, int(fate[0] * SORTS), column[index], base[index],
             tall / far[index] * side, tone)  # fmt: skip


def _growth(view: Scene, mood: Mood, fate: np.ndarray) -> Growth:
    if fate[1] < view.conifers:
        return "conifer"
    return "bare" if fate[2] > 0.25 + 1.1 * mood.bloom else "leafy"


class _Tone:
    """The colours of a tree at a distance."""

    def __init__(self, view: Scene, mood: Mood, far: float, left: bool) -> None:
        self.mood, self.left, self.snowy = mood, left, view.kind == "snow"
        self.air, self.haze = float(haze(mood, np.float32(far))), haze_colour(mood)

    def of(self, growth: Growth, shade: np.ndarray, bark: np.ndarray) -> np.ndarray:
        """Colours (3, h, w) of maps of light and bark, 0..1."""
        shade = shade if self.left else 1 - shade
        leaves = self.mood.leaves * (0.60 if growth == "conifer" else 0.82)
        shown = leaves * (0.32 + (0.72 + 0.35 * self.mood.sun) * shade)
        if self.snowy:
            shown = mixed(shown, FROST, ramp(shade, 0.45, 0.8) * 0.7)
        return mixed(mixed(shown, BARK * (0.6 + 0.5 * shade), bark), self.haze, self.air)


def _set(
    picture: np.ndarray,
    growth: Growth,
    sort: int,
    column: float,
    base: float,
    height: float,
    tone: _Tone,
) -> None:
    """Render one tree, `height` pixels tall, its foot at (column, base)."""
    side, size = picture.shape[1], max(round(height), 2)
    top, left = round(base - height), round(column - size / 2)
    rows = slice(max(top, 0), min(top + size, side))
    columns = slice(max(left, 0), min(left + size, side))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    mode = cv2.INTER_AREA if size < SIDE else cv2.INTER_LINEAR
    cut = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    cover, shade, bark = (
        cv2.resize(layer, (size, size), interpolation=mode)[cut] for layer in sprite(growth, sort)
    )
    part = picture[:, rows, columns]
    part += (tone.of(growth, shade, bark) - part) * cover
