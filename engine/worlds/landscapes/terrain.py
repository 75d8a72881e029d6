"""The lie of the land as heights over a plan, and which spot of it every pixel sees."""

from dataclasses import dataclass

import numpy as np

from engine.worlds.landscapes.noise import ramp, sample_tile, single
from engine.worlds.landscapes.scene import Scene

SLICES = 170
FARTHEST = 160.0
PER_UNIT = 3.6
"""Tile pixels for the height of the camera."""
WATER = -0.22
"""Height of the water's surface; the ground at the camera's feet is 0, the camera 1."""
SEA = frozenset({"lake", "coast", "river"})


@dataclass(frozen=True, slots=True, eq=False)
class Land:
    """Ground over slices of equal distance, (SLICES, width) each, nearest first.

    across, distance: position on the plan; height: of the ground or the water on it; wet, stream:
    masks 0..1 of water and of the river or path; slope: of the ground, along and across.
    """

    across: np.ndarray
    distance: np.ndarray
    height: np.ndarray
    wet: np.ndarray
    stream: np.ndarray
    slope: tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Visibility:
    """What every pixel sees: the slice (h, w), fractional, and whether there is ground at all."""

    slice: np.ndarray
    ground: np.ndarray


def land(view: Scene, width: int) -> Land:
    """Lay out the ground that the camera sees, `width` columns of it."""
    nearest = 1 / (1.12 - view.horizon)
    distance = np.geomspace(nearest, FARTHEST, SLICES, dtype=np.float32)[:, None]
    across = ((np.arange(width, dtype=np.float32) + 0.5) / width - 0.5)[None] * distance
    bed = heights(view, across, distance)
    wet = ramp(WATER - bed, -0.015, 0.015) if view.kind in SEA else np.zeros_like(bed)
    surface = np.maximum(bed, WATER) if view.kind in SEA else bed
    step = (across[:, 1] - across[:, 0])[:, None]
    along = np.gradient(bed, axis=0) / np.gradient(distance, axis=0)
    return Land(
        across,
        np.broadcast_to(distance, bed.shape),
        single(surface),
        wet,
        trail(view, across, distance),
        (single(along), single(np.gradient(bed, axis=1) / step)),
    )


def heights(view: Scene, across: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Height of the ground at points of the plan."""
    x, z = across, distance

    def noise(name: str, scale: float, shift: int) -> np.ndarray:
        start = view.offsets[shift], view.offsets[shift + 1]
        u, v = x * (PER_UNIT * scale) + start[0], z * (PER_UNIT * scale) + start[1]
        return sample_tile(name, view.variant, u, v)

    rolling = view.hills * (noise("smooth", 0.9, 0) * 0.5 + 0.25 * noise("smooth", 3.0, 2))
    rolling = rolling * ramp(z, 1.5, 9.0) + view.tilt * x
    round_ones = 0.42 + 0.22 * noise("smooth", 0.5, 6)
    torn = 0.78 * noise("ridged", 0.8, 4) + 0.42 * noise("ridged", 2.3, 2)
    crests = round_ones + (torn - round_ones) * view.jagged
    rise = ramp(z, view.start, 2.4 * view.start)
    open_middle = ramp(
        np.abs(x - 0.2 * view.side * z), view.valley * 0.5, view.valley * 3 + 0.2 * z
    )
    peaks = view.mountains * rise * (0.25 + 0.75 * open_middle) * np.clip(crests, 0, 1.4)
    match view.kind:
        case "lake":
            bank = ramp(z, view.shore, view.shore + 8) + 0.8 * ramp(
                np.abs(x) * view.side * np.sign(x) - 0.35 * z, 0, 4
            )
            return (
                -0.55 + 0.9 * np.minimum(bank, 1.2) + 0.7 * rolling + peaks * ramp(bank, 0.2, 1.0)
            )
        case "coast":
            out = (x * view.side - 0.4 + 0.10 * (z - view.shore * 0.3)) + 0.8 * noise(
                "smooth", 1.2, 0
            ) * ramp(z, 1, 8)
            dry = np.clip(0.16 * out, -0.8, 0.25) + 0.2 * np.maximum(rolling, 0) * ramp(out, 1, 5)
            return dry - 0.1 + peaks * ramp(out, 4, 16)
        case "river":
            return 0.05 + 0.6 * rolling + peaks - 0.75 * trail(view, x, z)
        case "dunes":
            crest = 1 - np.abs(noise("smooth", 0.9, 2))
            return 0.4 * rolling + 1.9 * crest * ramp(z, 1.2, 14) - 0.6 + peaks
        case _:
            return rolling + peaks


def trail(view: Scene, across: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Mask 0..1 of the scene's river or path at points of the plan."""
    if view.kind != "river" and not view.path:
        return np.zeros(np.broadcast_shapes(across.shape, distance.shape), np.float32)
    small, large, first, second = view.bends
    # The bends meet at the camera's feet, so that the path begins there.
    path = small * np.sin(distance / 2.6 + first) + large * (
        np.sin(distance / 9 + second) - np.sin(second)
    )
    half = 0.85 + 0.02 * distance if view.kind == "river" else 0.42
    return ramp(np.abs(across - path * ramp(distance, 0.5, 5)), 1.5 * half, 0.6 * half)


def visibility(ground: Land, view: Scene, side: int) -> Visibility:
    """Find the nearest slice that each pixel of a square picture sees, column by column."""
    row = (view.horizon + (1 - ground.height) / ground.distance) * side
    skyline = np.minimum.accumulate(row, axis=0)
    # Slices below a pixel's row, counted: the next one is the first that reaches up to it.
    floor = np.clip(np.ceil(skyline - 0.5), 0, side).astype(np.intp)
    columns = np.broadcast_to(np.arange(side), floor.shape)
    count = np.bincount((floor * side + columns).ravel(), minlength=(side + 1) * side)
    above = np.cumsum(count.reshape(side + 1, side), axis=0)[:side]
    first = SLICES - above
    visible = first < SLICES
    upper = np.minimum(first, SLICES - 1)
    lower = np.maximum(upper - 1, 0)
    column = np.arange(side)[None]
    high, low = skyline[upper, column], skyline[lower, column]
    pixel = np.arange(side)[:, None] + 0.5
    between = np.clip((low - pixel) / np.maximum(low - high, 1e-4), 0, 1)
    return Visibility(single(lower + between * (upper > lower)), visible)
