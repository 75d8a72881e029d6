"""A drawn person in front of a running camera, and where each point of the head goes.

An addition to the world: a still `Motion` leaves a scene as it is, and pictures are painted by
`render` as ever.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from engine.worlds.portraits.ageing import face_at
from engine.worlds.portraits.anatomy import landmarks
from engine.worlds.portraits.camera import Camera, camera
from engine.worlds.portraits.canvas import TOP, canvas, single
from engine.worlds.portraits.face import express
from engine.worlds.portraits.scene import Scene
from engine.worlds.portraits.traits import Identity

BLINK = 0.2
"""Seconds that a blink takes."""
SHUT = -0.9
"""What a shut eye adds to the openness of the lids."""
HEAD = (1.15, 1.6)
"""Half axes in face units of the ellipse about (0, 0.1) in which the flow holds."""
FEATURES = ((-0.5, 0.0, 0.34, 0.24), (0.5, 0.0, 0.34, 0.24), (0.0, 1.0, 0.55, 0.34))
"""Eyes and mouth: centre and half axes of ellipses, in face units; they move by themselves."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How far things go, each on a sine of its own length in seconds; the default is still.

    yaw, pitch, roll: degrees; shift, zoom: shares of the frame; smile: added to the scene's;
    blinks: seconds between two, 0 for none; grain: whether every frame has its own.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    smile: float = 0.0
    blinks: float = 0.0
    grain: bool = False


LIVELY = Motion(yaw=9, pitch=4, roll=4, shift=0.03, zoom=0.04, smile=0.35, blinks=1.9, grain=True)


def scene_at(view: Scene, motion: Motion, seconds: float) -> Scene:
    """The scene some seconds after it began."""
    if motion == Motion():
        return view

    def wave(amount: float, length: float, phase: float = 0.0) -> float:
        return amount * float(np.sin(2 * np.pi * seconds / length + phase + view.seed))

    since = (seconds + 0.37) % motion.blinks if motion.blinks else BLINK
    shut = float(np.sin(np.pi * since / BLINK)) if since < BLINK else 0.0
    smile = float(np.clip(view.smile + wave(motion.smile, 3.7), -0.1, 1.1))
    grain = view.offsets
    if motion.grain:
        grain = ((view.offsets[0] + round(seconds * 997)) % 256, *view.offsets[1:])
    return replace(
        view,
        yaw=view.yaw + wave(motion.yaw, 2.9),
        pitch=view.pitch + wave(motion.pitch, 2.3, 1.0),
        roll=view.roll + wave(motion.roll, 3.3, 2.0),
        shift_x=view.shift_x + wave(motion.shift, 2.6, 0.5),
        shift_y=view.shift_y + wave(motion.shift, 3.1, 1.5),
        zoom=view.zoom * (1 + wave(motion.zoom, 4.1)),
        smile=smile,
        mouth_open=max(view.mouth_open + 0.75 * max(smile - 0.45, 0.0), 0.0)
        if motion.smile
        else view.mouth_open,
        lids=view.lids + SHUT * shut,
        offsets=grain,
    )


def flow(
    person: Identity, age: float, start: Scene, end: Scene, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels of one frame lie in another, and in which of them that is known.

    Returns places (size, size, 2) in pixels, centres on whole numbers, and a mask (size, size) of
    the head without eyes and mouth, which move by themselves.
    """
    one, other = (_camera(person, age, view, size) for view in (start, end))
    grid = canvas(size)
    across, down = one.lookup(grid)
    x = (across + 0.5) / grid.scale + grid.left
    y = (down + 0.5) / grid.scale + TOP
    points = np.column_stack([x.ravel(), y.ravel()])
    places = (other.on_face(points) - 0.5).reshape(size, size, 2)
    inside = (x / HEAD[0]) ** 2 + ((y - 0.1) / HEAD[1]) ** 2 < 1
    for left, top, wide, high in FEATURES:
        inside &= ((x - left) / wide) ** 2 + ((y - top) / high) ** 2 > 1
    kept = ((places > 0) & (places < size - 1)).all(axis=2)
    return single(places), cv2.erode((inside & kept).astype(np.uint8), np.ones((3, 3))) > 0


def _camera(person: Identity, age: float, view: Scene, size: int) -> Camera:
    face = express(face_at(person, age), view)
    return camera(face, landmarks(face), view, size)
