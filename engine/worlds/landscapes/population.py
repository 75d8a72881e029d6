"""Who stands in a scene at its mood: trees, and what people or ruin left among them."""

from typing import NamedTuple

import numpy as np

from engine.worlds.landscapes.mood import Mood
from engine.worlds.landscapes.noise import ramp
from engine.worlds.landscapes.scene import Scene
from engine.worlds.landscapes.sprites import SORTS as TREES
from engine.worlds.landscapes.sprites import Growth
from engine.worlds.landscapes.terrain import SEA
from engine.worlds.landscapes.things import SORTS, Thing

NEAREST, FOREST_EDGE, FARTHEST = 4.5, 2.8, 42.0
GREENERY = frozenset({"lake", "coast", "meadow", "river", "forest", "alps"})


class Being(NamedTuple):
    """One of a population; lengths in heights of the camera, lean in its own heights."""

    shape: Growth | Thing
    sort: int
    far: float
    position: float
    """Column less half, in sides of the picture."""
    tall: float
    lean: float = 0.0
    afloat: bool = False


class _Crowd(NamedTuple):
    """Things of a sort: how many of all candidates, where they stand, how tall they are."""

    shape: Thing
    most: int
    share: float
    near: float
    far: float
    tall: float
    afloat: bool = False
    lean: float = 0.0


def population(view: Scene, mood: Mood) -> list[Being]:
    """The trees and things of a scene; whether there is room for each is another question."""
    return [*_trees(view, mood), *_things(view, mood)]


def _trees(view: Scene, mood: Mood) -> list[Being]:
    count = view.trees + view.near_trees
    random = np.random.default_rng([59, view.seed])
    nearest = FOREST_EDGE if view.kind == "forest" else NEAREST
    far = nearest * (FARTHEST / nearest) ** random.random(count)
    far[view.trees :] = random.uniform(2.2, 3.6, view.near_trees)
    # Woods stand in clumps; the near trees keep to the sides of the picture.
    clump = 0.15 * np.sin(np.arange(count) * 2.4 + view.offsets[6]) * (view.kind != "forest")
    position = clump + random.uniform(-0.55, 0.55, count)
    sides = random.choice([-1, 1], view.near_trees)
    position[view.trees :] = sides * random.uniform(0.28, 0.5, view.near_trees)
    fates = random.random((count, 6))
    bend = view.side * 0.62 * float(ramp(mood.wind, 0.30, 1.0))
    beings: list[Being] = []
    for index, fate in enumerate(fates):
        if index < view.trees and fate[4] > 0.60 + 0.55 * mood.valence:
            continue
        growth = _growth(view, mood, fate)
        tall = (0.55 + 0.6 * fate[3]) * (1.7 if growth in ("leafy", "bare") else 2.0)
        lean = bend * (0.6 + 0.5 * fate[5]) * (0.7 if growth in ("conifer", "snag") else 1.0)
        beings.append(Being(growth, int(fate[0] * TREES), far[index], position[index], tall, lean))
    return beings


def _growth(view: Scene, mood: Mood, fate: np.ndarray) -> Growth:
    alive = fate[2] < 0.02 + 1.35 * mood.bloom
    if fate[1] < view.conifers:
        return "conifer" if alive or fate[2] < 0.25 + 1.2 * mood.bloom else "snag"
    return "leafy" if alive else "bare"


def _things(view: Scene, mood: Mood) -> list[Being]:
    random = np.random.default_rng([101, view.seed])
    beings: list[Being] = []
    for crowd in _crowds(view, mood):
        # As many draws whatever the mood: a crowd grows and never moves.
        fates = random.random((crowd.most, 5))
        for fate in fates[: round(crowd.most * crowd.share)]:
            far = crowd.near * (crowd.far / crowd.near) ** fate[0]
            place, tall = 1.04 * (fate[2] - 0.5), crowd.tall * (0.75 + 0.5 * fate[3])
            lean, sort = crowd.lean * (0.7 + 0.6 * fate[4]), int(fate[1] * SORTS)
            beings.append(Being(crowd.shape, sort, far, place, tall, lean, crowd.afloat))
    return beings


def _crowds(view: Scene, mood: Mood) -> list[_Crowd]:
    """Every crowd of a kind of scene, the absent ones as well."""
    v, a = mood.valence, mood.arousal
    joy, ruin = float(ramp(v, 0.38, 0.92)), float(ramp(v, 0.55, 0.05))
    wind = view.side * float(ramp(a, 0.35, 1.0))
    desert, torn = view.kind == "dunes", a > 0.5
    crowds = [
        _Crowd("tent" if desert else "house", 9, joy, 5.0, 16.0, 1.7 if desert else 1.9),
        _Crowd("rock", 16, ruin * float(ramp(a, 0.9, 0.2)), 1.8, 14.0, 0.55),
        _Crowd("shard", 12, ruin * float(ramp(a, 0.1, 0.8)), 2.2, 16.0, 0.95),
        _Crowd("stump", 12, 0.0 if desert else ruin, 2.0, 10.0, 0.55),
        _Crowd("palm", 10, joy * desert, 3.0, 14.0, 2.3, lean=0.3 * wind),
        _Crowd("sheep", 14, joy * (view.kind in GREENERY), 3.0, 11.0, 0.55),
        _Crowd("flower", 34, joy * (view.kind in GREENERY), 1.5, 5.0, 0.34, lean=0.5 * wind),
    ]
    if view.kind in SEA:
        crowds += [
            _Crowd("boat", 10, joy, 4.0, 18.0, 1.35, afloat=True, lean=0.42 * wind),
            _Crowd("shard" if torn else "rock", 8, 0.8 * ruin, 3.0, 14.0, 0.7 if torn else 0.5,
                   afloat=True),
        ]  # fmt: skip
    return crowds
