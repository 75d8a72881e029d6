"""Shapes of trees: leafy ones, conifers, bare ones and dead trunks, drawn once and kept."""

from functools import cache
from typing import Literal, NamedTuple, get_args

import cv2
import numpy as np

from engine.worlds.landscapes.noise import TILE, VARIANTS, ramp, single, tile, unit

Growth = Literal["leafy", "conifer", "bare", "snag"]
SIDE = 128
SORTS = 6
FINER = 4


class Sprite(NamedTuple):
    """A tree that fills a square: opacity, light from the left and bark, (SIDE, SIDE) in 0..1."""

    cover: np.ndarray
    shade: np.ndarray
    bark: np.ndarray


@cache
def sprite(growth: Growth, sort: int) -> Sprite:
    """One of the trees of a kind."""
    random = np.random.default_rng([61, get_args(Growth).index(growth), sort])
    if growth in ("bare", "snag"):
        return _bare(random) if growth == "bare" else _snag(random)
    return _conifer(random, sort) if growth == "conifer" else _leafy(random, sort)


def _grid() -> tuple[np.ndarray, np.ndarray]:
    centres = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE
    return centres[None] - 0.5, centres[:, None]


def _noise(random: np.random.Generator, name: str, sort: int) -> np.ndarray:
    top, left = random.integers(0, TILE - SIDE, 2)
    return tile(name, sort % VARIANTS)[top : top + SIDE, left : left + SIDE]


def _leafy(random: np.random.Generator, sort: int) -> Sprite:
    x, y = _grid()
    body, shade = np.full((SIDE, SIDE), -1.0, np.float32), np.zeros((SIDE, SIDE), np.float32)
    wide = random.uniform(0.9, 1.35)
    for _ in range(int(random.integers(16, 26))):
        angle, out = random.uniform(0, 6.28), 0.27 * random.random() ** 0.6
        across, down = out * np.cos(angle) * wide, 0.44 + 1.15 * out * np.sin(angle)
        radius = random.uniform(0.07, 0.15)
        blob = 1 - np.hypot(x - across, (y - down) * 1.15) / radius
        light = 0.55 - 0.30 * (x - across) / radius - 0.45 * (y - down) / radius
        light = light - 0.5 * across + 0.6 * (0.44 - down)
        shade = np.where(blob > body, light, shade)
        body = np.maximum(body, blob)
    leaves = _noise(random, "fine", sort)
    crown = ramp(body + 0.20 * leaves, 0.0, 0.25)
    trunk = ramp(np.abs(x + 0.015 * np.sin(7 * y)), 0.026, 0.012) * ramp(y, 0.5, 0.6)
    shade = unit(0.80 * shade + 0.12 * leaves)
    return Sprite(single(np.maximum(crown, trunk)), single(shade), single(trunk * (1 - crown)))


def _conifer(random: np.random.Generator, sort: int) -> Sprite:
    x, y = _grid()
    tiers, width = random.uniform(7, 12), random.uniform(0.16, 0.24)
    twigs, needles = _noise(random, "rough", sort), _noise(random, "fine", sort)
    saw = (y * tiers + 0.35 * twigs + 3 * np.abs(x)) % 1
    reach = width * (y / 0.94) ** 0.85 * (0.60 + 0.40 * saw) * (1 + 0.25 * needles) + 0.006
    crown = ramp(reach - np.abs(x), -0.006, 0.02) * ramp(y, 0.97, 0.90)
    trunk = ramp(np.abs(x), 0.020, 0.011) * ramp(y, 0.85, 0.9)
    shade = unit(0.55 - 0.6 * x / width + 0.35 * (0.5 - saw) + 0.12 * needles)
    return Sprite(single(np.maximum(crown, trunk)), single(shade), single(trunk * (1 - crown)))


def _bare(random: np.random.Generator) -> Sprite:
    drawn = np.zeros((FINER * SIDE, FINER * SIDE), np.uint8)

    def grow(x: float, y: float, angle: float, length: float, width: float) -> None:
        tip = x + length * np.cos(angle), y - length * np.sin(angle)
        start, end = ((round(a * FINER * SIDE), round(b * FINER * SIDE)) for a, b in ((x, y), tip))
        cv2.line(drawn, start, end, 255, max(round(width), 1), cv2.LINE_AA)
        if width > 1.3:
            for _ in range(int(random.integers(2, 4))):
                turn, shorter = random.normal(0, 0.5), random.uniform(0.6, 0.85)
                grow(*tip, angle + turn, length * shorter, width * 0.62)

    grow(0.5, 0.99, 1.57 + random.normal(0, 0.08), 0.26, 13)
    return _wooden(drawn)


def _snag(random: np.random.Generator) -> Sprite:
    """A conifer that died: a broken trunk with stubs that hang."""
    drawn, full = np.zeros((FINER * SIDE, FINER * SIDE), np.uint8), FINER * SIDE
    lean, tip = random.uniform(-0.04, 0.04), random.uniform(0.06, 0.22)
    trunk = [(0.476, 1.0), (0.488 + lean, tip), (0.500 + lean, tip + 0.03), (0.524, 1.0)]
    cv2.fillPoly(drawn, [np.rint(np.array(trunk) * full).astype(np.int32)], 255, cv2.LINE_AA)
    for height in np.arange(tip + 0.06, 0.84, 0.045):
        for way in (-1, 1):
            reach = random.uniform(0.02, 0.05) + 0.20 * (height - tip) * random.random()
            x, y = 0.5 + lean * (1 - height), height + random.normal(0, 0.012)
            ends = ((x, y), (x + way * reach, y + 0.4 * reach))
            start, end = (tuple(round(c * full) for c in end) for end in ends)
            cv2.line(drawn, start, end, 255, 4, cv2.LINE_AA)
    return _wooden(drawn)


def _wooden(drawn: np.ndarray) -> Sprite:
    cover = cv2.resize(drawn, (SIDE, SIDE), interpolation=cv2.INTER_AREA) / np.float32(255)
    return Sprite(single(cover), single(np.full_like(cover, 0.45)), single(np.ones_like(cover)))
