"""The geometry of a scene as its seed has it; `composition` gives it its mood."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Kind = Literal["lake", "coast", "meadow", "river", "forest", "dunes", "snow", "alps"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SHARES = (0.18, 0.15, 0.15, 0.12, 0.13, 0.07, 0.08, 0.12)
FLOWERS = ((0.95, 0.85, 0.25), (0.88, 0.30, 0.34), (0.95, 0.93, 0.90), (0.62, 0.42, 0.82))


@dataclass(frozen=True, slots=True)
class Scene:
    """Lie of the land, light and growth; lengths in heights of the camera above the ground."""

    seed: int
    kind: Kind
    horizon: float
    """Row of the horizon, in sides of the picture from the top."""
    tilt: float
    """Slope of the land from left to right."""
    sun_x: float
    sun_height: float
    """0: on the horizon; 1: as high as the picture shows it."""
    side: int
    """Where the land rises first: -1 left, 1 right."""
    mountains: float
    """Height of the far mountains."""
    start: float
    """Distance at which they begin."""
    hills: float
    valley: float
    """Half the width of the open middle."""
    shore: float
    """Distance of the far shore, or place of the beach."""
    bends: tuple[float, float, float, float]
    """Sizes and phases of the bends of a river or a path."""
    path: bool
    trees: int
    conifers: float
    """Share of the trees."""
    near_trees: int
    flower: tuple[float, float, float]
    offsets: tuple[float, ...]
    variant: int
    jagged: float = 0.5
    """Shape of the mountains: 0 round, 1 torn."""


def scene(seed: int) -> Scene:
    """The scene of a seed."""
    random = np.random.default_rng([47, seed])

    def uniform(low: float, high: float) -> float:
        return float(random.uniform(low, high))

    kind = KINDS[int(random.choice(len(KINDS), p=SHARES))]
    high = {"alps": (16, 30), "coast": (3, 12), "dunes": (1, 5)}.get(kind, (4, 16))
    trees = {"forest": (90, 160), "coast": (0, 8), "dunes": (0, 2), "alps": (20, 70)}
    return Scene(
        seed=seed,
        kind=kind,
        horizon=uniform(0.40, 0.62),
        tilt=float(random.normal(0, 0.02)),
        sun_x=uniform(0.1, 0.9),
        sun_height=uniform(0.1, 1.0),
        side=int(random.choice([-1, 1])),
        mountains=uniform(*high),
        start=uniform(9, 16) if kind == "alps" else uniform(16, 34),
        hills=uniform(0.25, 0.8),
        valley=uniform(2, 9),
        shore=uniform(9, 30),
        bends=(uniform(0.5, 1.6), uniform(1.0, 4.0), uniform(0, 6.28), uniform(0, 6.28)),
        path=bool(random.random() < 0.45),
        trees=int(random.integers(*trees.get(kind, (10, 60)))),
        conifers=float(random.choice([0.05, 0.5, 0.95])) if kind != "snow" else 0.95,
        near_trees=int(random.integers(0, 4)),
        flower=FLOWERS[int(random.integers(len(FLOWERS)))],
        offsets=tuple(random.uniform(0, 512, 8).tolist()),
        variant=int(random.integers(4)),
    )


def scene_va(seed: int) -> tuple[float, float]:
    """The own valence and arousal of a seed, uniform over the plane."""
    valence, arousal = np.random.default_rng([53, seed]).random(2).tolist()
    return valence, arousal
