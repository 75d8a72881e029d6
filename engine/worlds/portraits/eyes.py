"""Eyes with their lids, lashes and highlights, painted on the lit skin."""

from math import copysign, cos, sin

import numpy as np

from engine.worlds.portraits.anatomy import LOWER_LID, lid_arc
from engine.worlds.portraits.canvas import TOP, Canvas, single
from engine.worlds.portraits.face import Face
from engine.worlds.portraits.relief import Light
from engine.worlds.portraits.scene import Scene
from engine.worlds.portraits.skin import shadow_colour

PUPIL = 0.40  # radius over the iris's
_LASHES = single([0.02, 0.013, 0.01])


def paint_eyes(skin: np.ndarray, face: Face, canvas: Canvas, light: Light, view: Scene) -> None:
    """Paint both eyes on the skin (height, width, 3), in place."""
    eyes, scale = face.eyes, canvas.scale
    left, top = int((eyes.x - 0.40 - canvas.left) * scale), int((-0.28 - TOP) * scale)
    window = slice(top, top + int(0.50 * scale)), slice(left, left + int(0.80 * scale))
    out, down = canvas.x[window[1]][None] - eyes.x, canvas.y[window[0]][:, None]
    cosine, sine = cos(eyes.tilt), sin(eyes.tilt)
    x, y = out * cosine - down * sine, out * sine + down * cosine
    along = x / eyes.width
    arc = lid_arc(along)
    upper, lower = (-eyes.height) * arc, (LOWER_LID * eyes.height) * arc
    near = np.clip((1.09 - np.abs(along)) * 7, 0, 1)  # lids end at the corners

    opening = np.clip(np.minimum(y - upper, lower - y) * scale * 1.1 + 0.35, 0, 1)
    shade = (1 - 0.50 * np.exp(-np.maximum(y - upper, 0) / 0.035)) * (1 - 0.30 * along**2)
    layers = [
        (_crease(face, x, y, upper, near), single(shadow_colour(face) * 1.7)),
        (_lash_line(face, along, y, upper, lower, near), _LASHES),
        (np.exp(-(((y - lower - 0.018) / 0.012) ** 2)) * near * 0.25, _wet_rim(face, light)),
    ]
    # The eyes mirror each other: only the gaze and the highlight differ.
    halves = ((1, skin[window]), (-1, skin[:, ::-1][window]))
    for side, part in halves:
        ball = _ball(face, x, y, side, shade * light.level, scale, view)
        crease, lash, wet = layers
        for alpha, colour in (crease, (opening, ball), lash, wet):
            part += alpha[..., None] * (colour - part)


def _ball(
    face: Face,
    x: np.ndarray,
    y: np.ndarray,
    side: int,
    shade: np.ndarray,
    scale: float,
    view: Scene,
) -> np.ndarray:
    """The eyeball of one side, linear colour."""
    eyes = face.eyes
    right, down = x - side * eyes.gaze_x, y - eyes.gaze_y + 0.012
    radius = np.sqrt(right * right + down * down) / eyes.iris_r
    edge = eyes.iris_r * scale
    disc = np.clip((1 - radius) * edge + 0.5, 0, 1)
    pupil = np.clip((PUPIL - radius) * edge + 0.5, 0, 1)
    ring = disc * (1 - pupil) * (0.60 + 0.60 * np.clip(1 - np.abs(radius - 0.6) / 0.4, 0, 1))
    colour = (1 - disc)[..., None] * single(eyes.white) + ring[..., None] * single(
        1.25 * eyes.iris**2
    )
    colour = shade[..., None] * (colour + 0.004)
    spark_x = side * copysign(0.035, view.light_x)
    spark = np.exp(-((right - spark_x) ** 2 + (down + 0.04) ** 2) / 0.00035)
    return colour + 0.9 * spark[..., None]


def _crease(
    face: Face, x: np.ndarray, y: np.ndarray, upper: np.ndarray, near: np.ndarray
) -> np.ndarray:
    """The fold of the upper lid; with age it sinks towards the lashes, most at the outer corner."""
    eyes = face.eyes
    sink = (0.045 * eyes.hood) * np.clip(x / eyes.width, 0, 1)
    fold = np.exp(-(((y - 1.15 * upper + max(eyes.crease, 0.02) - sink) / 0.018) ** 2))
    heavy = (0.10 * eyes.hood) * np.exp(-(((y - upper + 0.03) / 0.035) ** 2))
    return np.clip((fold * (0.34 + 0.16 * eyes.hood) + heavy) * near, 0, 0.7)


def _lash_line(
    face: Face,
    along: np.ndarray,
    y: np.ndarray,
    upper: np.ndarray,
    lower: np.ndarray,
    near: np.ndarray,
) -> np.ndarray:
    thick = np.exp(-(((y - upper) / 0.017) ** 2)) * (0.45 + 0.35 * np.clip(along, -0.6, 1))
    thin = 0.34 * np.exp(-(((y - lower) / 0.014) ** 2))
    return np.clip((thick * face.eyes.lash + thin) * near, 0, 0.95)


def _wet_rim(face: Face, light: Light) -> np.ndarray:
    return single((face.skin.colour * (0.98, 0.72, 0.70)) ** 2 * light.level * 0.9)
