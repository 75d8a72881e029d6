"""Puts the population of a scene into its picture: places, bent shapes and colours."""

from functools import cache
from typing import NamedTuple, get_args

import cv2
import numpy as np

from engine.worlds.landscapes.ground import haze, haze_colour
from engine.worlds.landscapes.mood import Mood
from engine.worlds.landscapes.noise import colour, mixed, ramp, single
from engine.worlds.landscapes.population import Being, population
from engine.worlds.landscapes.scene import Scene
from engine.worlds.landscapes.sky import sun_colour, sun_place
from engine.worlds.landscapes.sprites import SIDE, Growth, sprite
from engine.worlds.landscapes.terrain import SEA, SLICES, WATER, Land, Visibility, heights, trail
from engine.worlds.landscapes.things import Thing, thing

BARK, FROST = colour(0.20, 0.16, 0.13), colour(0.9, 0.93, 1.0)
LEAST_LEAN, SMALLEST = 0.04, 16
"""Of a tree that is bent at all, in its heights; side in pixels of the smallest stored shapes."""
TREES = frozenset(get_args(Growth))


class Standing(NamedTuple):
    """One of a population in the picture: its foot and its height in pixels."""

    being: Being
    column: float
    base: float
    height: float


def settled(ground: Land, visible: Visibility, view: Scene, mood: Mood) -> list[Standing]:
    """The scene's population in its places, far ones first.

    Nobody stands in water, on the path, or where a hill hides the foot; what floats, floats.
    """
    side, beings = visible.slice.shape[1], population(view, mood)
    if not beings:
        return []
    far, position = (
        np.array([getattr(being, name) for being in beings]) for name in ("far", "position")
    )
    afloat = np.array([being.afloat for being in beings])
    spots = single(position * far)[None], single(far)[None]
    foot, path = heights(view, *spots)[0], trail(view, *spots)[0]
    stands = np.where(afloat, foot < WATER - 0.05, path < 0.1)
    if view.kind in SEA:
        stands &= afloat | (foot > WATER + 0.06)
        foot = np.where(afloat, WATER, foot)
    column = (0.5 + position) * side
    base = (view.horizon + (1 - foot) / far) * side
    stands &= (column >= 0) & (column < side)
    row, at = (np.clip(x.astype(int), 0, side - 1) for x in (base - 1, column))
    first, last = float(ground.distance[0, 0]), float(ground.distance[-1, 0])
    shown = first * (last / first) ** (visible.slice[row, at] / (SLICES - 1))
    stands &= (base >= side) | ~visible.ground[row, at] | (shown > 0.8 * far)
    return [
        Standing(one, float(column[index]), float(base[index]), one.tall / one.far * side)
        for index in np.argsort(-far).tolist()
        if stands[index] and (one := beings[index])
    ]


def plant(picture: np.ndarray, population: list[Standing], view: Scene, mood: Mood) -> None:
    """Render a settled population into a picture (3, side, side) in place."""
    tone = _Tone(view, mood)
    for one in population:
        _set(picture, one, tone)


class _Tone:
    """The colours of what stands, by its distance."""

    def __init__(self, view: Scene, mood: Mood) -> None:
        self.mood, self.snowy = mood, view.kind == "snow"
        self.left = sun_place(view, mood)[0] < 0.5
        self.haze = haze_colour(mood)
        light = 0.34 + 0.50 * mood.valence + 0.16 * mood.sun
        self.light = single(
            light * mixed(np.ones((3, 1, 1)), sun_colour(view, mood), 0.35 * mood.sun)
        )

    def of_tree(self, shade: np.ndarray, bark: np.ndarray, *, conifer: bool) -> np.ndarray:
        """Colours (3, h, w) of maps of light and bark, 0..1; `conifer`: of needles."""
        shade = shade if self.left else 1 - shade
        leaves = self.mood.leaves * (0.60 if conifer else 0.82)
        shown = leaves * (0.32 + (0.72 + 0.35 * self.mood.sun) * shade)
        if self.snowy:
            shown = mixed(shown, FROST, ramp(shade, 0.45, 0.8) * 0.7)
        return mixed(shown, BARK * (0.6 + 0.5 * shade), bark)


@cache
def _shape(shape: Growth | Thing, sort: int, halvings: int) -> np.ndarray:
    """A tree (s, s, 3: cover, shade, bark) or a thing (s, s, 4), its side halved some times."""
    if not halvings:
        return np.dstack(sprite(shape, sort)) if shape in TREES else thing(shape, sort)
    larger = _shape(shape, sort, halvings - 1)
    side = len(larger) // 2
    return cv2.resize(larger, (side, side), interpolation=cv2.INTER_AREA)


def _sized(shape: Growth | Thing, sort: int, size: int) -> np.ndarray:
    """A shape at a side in pixels, from the smallest stored one that is not smaller."""
    halvings, side = 0, SIDE
    while side >= 2 * size and side > SMALLEST:
        halvings, side = halvings + 1, side // 2
    mode = cv2.INTER_AREA if size < side else cv2.INTER_LINEAR
    return cv2.resize(_shape(shape, sort, halvings), (size, size), interpolation=mode)


def _set(picture: np.ndarray, one: Standing, tone: _Tone) -> None:
    """Render one of the population."""
    being, column, base, height = one
    side, size = picture.shape[1], max(round(height), 2)
    reach = round(abs(being.lean) * size) if abs(being.lean) > LEAST_LEAN else 0
    top, left = round(base - size), round(column - size / 2) - reach
    rows = slice(max(top, 0), min(top + size, side))
    columns = slice(max(left, 0), min(left + size + 2 * reach, side))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    layers = _sized(being.shape, being.sort, size)
    if reach:
        layers = _bent(layers, being.lean, reach)
    layers = layers[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    part, planes = picture[:, rows, columns], layers.transpose(2, 0, 1)
    air = float(haze(tone.mood, np.float32(being.far)))
    if being.shape in TREES:
        cover, shade, bark = planes
        shown = mixed(tone.of_tree(shade, bark, conifer=being.shape == "conifer"), tone.haze, air)
        part += (shown - part) * cover
    else:
        cover = planes[3]
        shown = planes[:3] * tone.light
        part += mixed(shown, tone.haze * cover, air) - part * cover


def _bent(layers: np.ndarray, lean: float, reach: int) -> np.ndarray:
    """Layers (s, s, c) bent by the wind, (s, s + 2 * reach, c): the foot stays, the top yields."""
    size = len(layers)
    height = 1 - (np.arange(size, dtype=np.float32)[:, None] + 0.5) / size
    across = np.arange(size + 2 * reach, dtype=np.float32)[None] - reach
    x = single(across - lean * size * height**1.7)
    y = np.broadcast_to(np.arange(size, dtype=np.float32)[:, None], x.shape)
    return cv2.remap(layers, x, single(y), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
