"""Shapes of what people and ruin leave in a landscape, drawn once and kept."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal

import cv2
import numpy as np

from engine.worlds.landscapes.noise import single
from engine.worlds.landscapes.scene import FLOWERS
from engine.worlds.landscapes.sprites import SIDE

Thing = Literal["house", "tent", "boat", "sheep", "flower", "palm", "rock", "shard", "stump"]
FINER, SORTS = 4, 4
Point = tuple[float, float]
Paint = tuple[float, float, float]

WALLS: Sequence[Paint] = (
    (0.95, 0.92, 0.84),
    (0.80, 0.40, 0.28),
    (0.93, 0.80, 0.52),
    (0.62, 0.46, 0.34),
)
ROOFS: Sequence[Paint] = (
    (0.62, 0.20, 0.14),
    (0.32, 0.22, 0.20),
    (0.50, 0.18, 0.16),
    (0.80, 0.34, 0.20),
)
LAMP, WOOD, PALE = (1.9, 1.45, 0.62), (0.34, 0.24, 0.16), (0.97, 0.96, 0.92)
GREEN, STONE, DARK = (0.30, 0.50, 0.16), (0.46, 0.45, 0.46), (0.24, 0.23, 0.25)
HULLS: Sequence[Paint] = (
    (0.75, 0.20, 0.16),
    (0.16, 0.24, 0.42),
    (0.45, 0.28, 0.16),
    (0.90, 0.88, 0.84),
)


class Canvas:
    """Polygons in a square of side 1, y down, later ones over earlier ones."""

    def __init__(self) -> None:
        self.layers = np.zeros((FINER * SIDE, FINER * SIDE, 4), np.float32)

    def area(self, points: Sequence[Point], paint: Paint) -> None:
        corners = np.array(points) * FINER * SIDE
        cv2.fillPoly(self.layers, [np.rint(corners).astype(np.int32)], (*paint, 1.0))

    def box(self, left: float, top: float, right: float, bottom: float, paint: Paint) -> None:
        self.area([(left, top), (right, top), (right, bottom), (left, bottom)], paint)

    def disc(self, x: float, y: float, across: float, down: float, paint: Paint) -> None:
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        self.area(list(zip(x + across * np.cos(turn), y + down * np.sin(turn), strict=True)), paint)

    def shrunk(self) -> np.ndarray:
        return single(cv2.resize(self.layers, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


@cache
def thing(name: Thing, sort: int) -> np.ndarray:
    """One of the things of a name, (SIDE, SIDE, 4): colours times opacity, and opacity.

    It stands on the lower edge of its square.
    """
    canvas = Canvas()
    DRAWN[name](canvas, np.random.default_rng([83, list(DRAWN).index(name), sort]), sort)
    return canvas.shrunk()


def darker(paint: Paint, share: float) -> Paint:
    """A colour in shade."""
    red, green, blue = paint
    return red * share, green * share, blue * share


def _house(canvas: Canvas, random: np.random.Generator, sort: int) -> None:
    wall, roof = WALLS[sort], ROOFS[sort]
    eaves, ridge, corner = 0.56, 0.24, random.uniform(0.36, 0.44)
    canvas.box(0.70, 0.20, 0.78, 0.42, darker(wall, 0.6))
    canvas.box(corner, eaves, 0.94, 1.0, darker(wall, 0.74))
    canvas.area([(0.05, eaves), (corner / 2 + 0.03, ridge), (corner, eaves), (corner, 1.0),
                 (0.05, 1.0)], wall)  # fmt: skip
    canvas.area([(corner / 2 + 0.03, ridge - 0.03), (0.80, ridge - 0.03), (0.99, eaves + 0.03),
                 (corner + 0.03, eaves + 0.03)], roof)  # fmt: skip
    canvas.area([(corner / 2 + 0.03, ridge - 0.05), (corner / 2 + 0.03, ridge + 0.04),
                 (0.05, eaves + 0.07), (0.0, eaves + 0.02)], darker(roof, 0.7))  # fmt: skip
    for left in (corner + 0.08, 0.73):
        canvas.box(left, 0.66, left + 0.13, 0.82, LAMP)
    canvas.box(corner / 2 - 0.03, 0.62, corner / 2 + 0.09, 0.76, LAMP)
    canvas.box(corner / 2 - 0.02, 0.82, corner / 2 + 0.08, 1.0, WOOD)


def _tent(canvas: Canvas, random: np.random.Generator, sort: int) -> None:
    top = random.uniform(0.40, 0.60)
    canvas.area([(top, 0.30), (0.98, 1.0), (0.02, 1.0)], (PALE, (0.86, 0.62, 0.30))[sort % 2])
    for left in (0.12, 0.42, 0.72):
        canvas.area([(top, 0.30), (left + 0.14, 1.0), (left, 1.0)], ROOFS[sort])
    canvas.area([(top, 0.55), (0.58, 1.0), (0.44, 1.0)], LAMP)
    canvas.area([(top, 0.16), (top + 0.16, 0.22), (top, 0.28)], ROOFS[3])
    canvas.box(top - 0.012, 0.16, top + 0.012, 0.34, WOOD)


def _boat(canvas: Canvas, random: np.random.Generator, sort: int) -> None:
    mast = random.uniform(0.46, 0.54)
    canvas.area([(mast + 0.03, 0.02), (0.90, 0.74), (mast + 0.03, 0.76)], PALE)
    canvas.area([(mast - 0.03, 0.14), (0.16, 0.72), (mast - 0.03, 0.76)], darker(PALE, 0.84))
    canvas.box(mast - 0.012, 0.0, mast + 0.012, 0.84, WOOD)
    canvas.area([(0.08, 0.80), (0.96, 0.80), (0.84, 0.99), (0.24, 0.99)], HULLS[sort])
    canvas.box(0.09, 0.80, 0.95, 0.84, PALE)


def _sheep(canvas: Canvas, random: np.random.Generator, sort: int) -> None:
    head = (0.15, 0.85)[sort % 2]
    for foot in (0.32, 0.42, 0.60, 0.70):
        canvas.box(foot, 0.78, foot + 0.05, 1.0, DARK)
    canvas.disc(0.5, 0.64, 0.34, 0.24, darker(PALE, 0.82))
    for _ in range(9):
        canvas.disc(random.uniform(0.28, 0.72), random.uniform(0.48, 0.64), 0.12, 0.11, PALE)
    canvas.disc(head, random.uniform(0.48, 0.72), 0.12, 0.11, DARK)


def _flower(canvas: Canvas, random: np.random.Generator, sort: int) -> None:
    bend, top = random.uniform(-0.10, 0.10), 0.30
    canvas.area([(0.48, 1.0), (0.48 + bend, top), (0.53 + bend, top), (0.54, 1.0)], GREEN)
    for side in (-1, 1):
        canvas.area([(0.51, 0.86), (0.51 + 0.26 * side, 0.60), (0.51 + 0.07 * side, 0.72)], GREEN)
    for turn in np.linspace(0, 2 * np.pi, 7, endpoint=False) + random.uniform(0, 1):
        x, y = 0.5 + bend + 0.17 * np.cos(turn), top + 0.15 * np.sin(turn)
        canvas.disc(float(x), float(y), 0.12, 0.11, darker(FLOWERS[sort], random.uniform(0.9, 1.1)))
    canvas.disc(0.5 + bend, top, 0.09, 0.08, (0.85, 0.62, 0.12) if sort else (0.45, 0.26, 0.10))


def _palm(canvas: Canvas, random: np.random.Generator, sort: int) -> None:
    bend = random.uniform(-0.16, 0.16)
    steps = np.linspace(0, 1, 8)
    left = [(0.5 + bend * t * t - 0.034 + 0.012 * t, 1 - 0.68 * t) for t in steps]
    right = [(x + 0.062 - 0.02 * t, y) for (x, y), t in zip(left, steps, strict=True)]
    canvas.area([*left, *right[::-1]], (0.48, 0.36, 0.24))
    x, y = 0.5 + bend, 0.32
    for turn in np.linspace(0.1, 6.2, 10 + sort) + random.uniform(0, 0.4):
        out, down = 0.42 * float(np.cos(turn)), 0.15 * float(np.sin(turn))
        along = np.linspace(0, 1, 7)
        upper = [(x + out * t, y + down * t - 0.34 * t * (1 - t) + 0.16 * t**3) for t in along]
        wide = 0.085 * np.sin(np.pi * along**0.7)
        lower = [(px, py + w) for (px, py), w in zip(upper, wide, strict=True)]
        canvas.area([*upper, *lower[::-1]], darker(GREEN, 0.75 + 0.35 * random.random()))


def _rock(canvas: Canvas, random: np.random.Generator, sort: int) -> None:
    turn = np.linspace(np.pi, 2 * np.pi, 9)
    reach = random.uniform(0.86, 1.06, 9)
    x, y = 0.5 + 0.48 * np.cos(turn) * reach, 1.0 + (0.50 + 0.06 * sort) * np.sin(turn) * reach
    outline = list(zip(x.tolist(), y.tolist(), strict=True))
    canvas.area([(0.0, 1.0), *outline, (1.0, 1.0)], darker(STONE, 0.62))
    canvas.area([(0.03, 1.0), *outline[:6], (0.52, 0.76), (0.40, 1.0)], STONE)
    canvas.area([*outline[1:6], (0.50, 0.66), (0.26, 0.74)], darker(STONE, 1.35))


def _shard(canvas: Canvas, random: np.random.Generator, sort: int) -> None:
    for left, top, wide in ((0.24, 0.10, 0.50), (0.0, 0.45, 0.44), (0.50, 0.30 + 0.06 * sort, 0.5)):
        tip, high = left + wide * random.uniform(0.2, 0.8), top + random.uniform(0, 0.12)
        edge, right = left + wide * 0.55, left + wide
        notch = random.uniform(0.3, 0.6)
        beside = (right - 0.3 * (right - tip), high + notch * (1 - high))
        before = (left + 0.25 * (tip - left), high + (0.9 - notch) * (1 - high))
        outline = [
            (left, 1.0),
            before,
            (tip, high),
            (tip + 0.05, high + 0.04),
            beside,
            (right, 1.0),
        ]
        canvas.area(outline, darker(STONE, 0.45))
        canvas.area([(left, 1.0), before, (tip, high), (edge, 0.66), (edge - 0.08, 1.0)],
                    darker(STONE, 1.0))  # fmt: skip
        canvas.area([before, (tip, high), (tip + 0.02, high + 0.20)], darker(STONE, 1.3))


def _stump(canvas: Canvas, random: np.random.Generator, sort: int) -> None:
    broken = random.uniform(0.36, 0.56, 5)
    teeth = [
        (0.34 + 0.08 * index, float(high) - 0.10 * (index % 2)) for index, high in enumerate(broken)
    ]
    canvas.area([(0.22, 1.0), (0.33, 0.9), *teeth, (0.68, 0.9), (0.80, 1.0)], darker(WOOD, 0.8))
    canvas.area([(0.22, 1.0), (0.33, 0.9), *teeth[:3], (0.46, 1.0)], darker(WOOD, 1.35))
    if sort % 2:
        canvas.area([(0.62, 0.72), (0.92, 0.52), (0.95, 0.55), (0.65, 0.80)], WOOD)


DRAWN: dict[Thing, Callable[[Canvas, np.random.Generator, int], None]] = {
    "house": _house, "tent": _tent, "boat": _boat, "sheep": _sheep, "flower": _flower,
    "palm": _palm, "rock": _rock, "shard": _shard, "stump": _stump,
}  # fmt: skip
