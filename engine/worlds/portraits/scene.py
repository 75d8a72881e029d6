"""One photograph: everything about a picture that is neither who nor how old."""

from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Scene:
    """Pose in degrees, light, expression, camera and surroundings of one photograph."""

    seed: int
    yaw: float
    pitch: float
    roll: float
    light_x: float
    light_y: float
    key: float
    ambient: float
    warmth: float
    smile: float
    mouth_open: float
    lids: float
    brow_raise: float
    gaze_x: float
    gaze_y: float
    backdrop: tuple[Colour, Colour]
    cloth: Colour
    neckline: float
    blur: float
    grain: float
    offsets: tuple[int, ...]
    zoom: float
    shift_x: float
    shift_y: float


def scene(seed: int, *, pose: float = 1.0, unaligned: float = 0.0) -> Scene:
    """Draw the photograph that belongs to a seed.

    pose: how far heads turn (1 is a standard deviation of 9 degrees of yaw); unaligned: 0 frames
    the face the FFHQ way, 1 lets it be small, shifted and tilted.
    """
    random = np.random.default_rng([11, seed])

    def normal(spread: float) -> float:
        return float(np.clip(random.standard_normal(), -2, 2) * spread)

    def uniform(low: float, high: float) -> float:
        return float(random.uniform(low, high))

    smile = min(max(0.40 + normal(0.36), -0.1), 1.1)
    wall = random.uniform(0.12, 0.8, (2, 1)) + random.normal(0, 0.08, (2, 3))
    framing = np.random.default_rng([13, seed])
    zoom = 1 - unaligned * float(framing.uniform(0.1, 0.55))
    room = max(0.5 - 0.45 * zoom, 0.0)  # how far the head may move before the frame cuts it
    return Scene(
        seed=seed,
        yaw=normal(9 * pose),
        pitch=normal(5 * pose),
        roll=normal(4 * unaligned),
        light_x=uniform(-0.8, 0.8),
        light_y=uniform(-0.9, -0.2),
        key=uniform(0.78, 1.1),
        ambient=uniform(0.38, 0.6),
        warmth=normal(0.045),
        smile=smile,
        # A broad smile shows the teeth; a few people are caught talking.
        mouth_open=max(0.0, normal(0.4) - 0.4) + 0.75 * max(smile - 0.45, 0.0),
        lids=normal(0.08),
        brow_raise=normal(0.02),
        gaze_x=normal(0.02),
        gaze_y=normal(0.01),
        backdrop=(_colour(wall[0]), _colour(wall[1])),
        cloth=_colour(random.uniform(0.05, 0.7, 3)),
        neckline=uniform(0.0, 1.0),
        blur=uniform(0.2, 0.6),
        grain=uniform(0.0015, 0.005),
        offsets=tuple(random.integers(0, 256, 4).tolist()),
        zoom=zoom,
        shift_x=unaligned * float(framing.uniform(-room, room)),
        shift_y=unaligned * float(framing.uniform(-room, room)),
    )


def _colour(rgb: np.ndarray) -> Colour:
    red, green, blue = np.clip(rgb, 0.0, 1.0).tolist()
    return red, green, blue
