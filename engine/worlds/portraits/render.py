"""From person, age and photograph to a picture with its truth."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from engine.worlds.portraits.ageing import face_at
from engine.worlds.portraits.anatomy import SIDES, ear_outline, landmarks
from engine.worlds.portraits.body import paint_body
from engine.worlds.portraits.camera import camera, rotation
from engine.worlds.portraits.canvas import Canvas, canvas, single
from engine.worlds.portraits.eyes import paint_eyes
from engine.worlds.portraits.face import Face, express
from engine.worlds.portraits.features import paint_brows, paint_mouth, paint_nose
from engine.worlds.portraits.hair import HairLayer, paint_hair
from engine.worlds.portraits.lines import age_lines
from engine.worlds.portraits.relief import Head, Light, head, height, light_of, shading
from engine.worlds.portraits.scene import Scene
from engine.worlds.portraits.skin import albedo, lip_cover, lit
from engine.worlds.portraits.textures import patch
from engine.worlds.portraits.traits import Identity


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A picture with its truth.

    picture: uint8 RGB (size, size, 3); landmarks: float32 (68, 2) in dlib's order, (x, y) pixels,
    the centre of the top left pixel being (0, 0); truth: what a JSON file may hold.
    """

    picture: np.ndarray
    landmarks: np.ndarray
    truth: dict[str, Any]


def render(person: Identity, age: float, view: Scene, size: int = 256) -> Portrait:
    """Paint a person at an age in years as a photograph shows them.

    Best on one core per process: give a pool of renderers `cv2.setNumThreads(1)`.
    """
    grid = canvas(size)
    face = express(face_at(person, age), view)
    points = landmarks(face)
    lens = camera(face, points, view, size)
    light = light_of(view, rotation(view))
    colour, cover = _paint_head(face, grid, light, view, person.layout())
    across, down = lens.lookup(grid)
    front, cover = (cv2.remap(layer, across, down, cv2.INTER_LINEAR) for layer in (colour, cover))
    behind = paint_body(face, view, lens, light)
    picture = cv2.add(cv2.multiply(behind, cv2.merge([1 - cover] * 3)), front)
    return Portrait(
        picture=_develop(picture, view, size),
        landmarks=single(lens.on_face(points) - 0.5),
        truth=_truth(person, age, view, size),
    )


def _paint_head(
    face: Face, grid: Canvas, light: Light, view: Scene, layout: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The head on its canvas: linear colour times cover (height, width, 3), and cover."""
    offsets = layout.integers(0, 256, 8).tolist()
    shape = head(face, grid)
    lines = grid.whole(grid.draw(age_lines(face, layout), 1.1))
    shades = shading(face, grid, height(face, grid, shape), lines, light, offsets[0])
    lips = lip_cover(face, grid)
    colour = lit(albedo(face, grid, lines, lips, offsets), face, lips, shades, light)
    paint_nose(colour, face, grid)
    paint_mouth(colour, face, grid, light)
    paint_brows(colour, face, grid, light, layout)
    paint_eyes(colour, face, grid, light, view)
    cover = _add_ears(colour, shape, face, grid, light)
    hair = paint_hair(face, grid, shape, light, offsets)
    skin_share = cover * (1 - 0.55 * _hair_shadow(hair, grid, light)) * (1 - hair.alpha)
    behind = cv2.multiply(colour, cv2.merge([skin_share] * 3))
    colour = cv2.add(behind, cv2.multiply(hair.colour, cv2.merge([hair.alpha] * 3)))
    return colour, cover * (1 - hair.alpha) + hair.alpha


def _add_ears(
    colour: np.ndarray, shape: Head, face: Face, grid: Canvas, light: Light
) -> np.ndarray:
    """Put the ears behind the head, in place, and return the cover of both."""
    outlines = [ear_outline(face, side) for side in SIDES]
    skin = face.skin.colour**2
    ear = grid.fill(outlines, 0.8)
    cover = shape.cover.copy()
    behind = 1 - shape.cover[ear.window]
    bright = skin * (1, 0.82, 0.82) * (0.36 * light.key + 0.40 * light.ambient)
    colour[ear.window] = colour[ear.window] * (1 - behind)[..., None] + behind[..., None] * single(
        bright
    )
    for size, shade, blur in ((0.74, 0.34, 2.2), (0.42, 0.16, 2.5)):
        bowl = grid.fill([size * o + (1 - size) * o.mean(0) for o in outlines], blur)
        part = colour[bowl.window]
        alpha = 0.6 * bowl.alpha * (1 - shape.cover[bowl.window])
        part += alpha[..., None] * (single(skin * shade * light.level) - part)
    cover[ear.window] = np.maximum(cover[ear.window], ear.alpha)
    return cover


def _hair_shadow(hair: HairLayer, grid: Canvas, light: Light) -> np.ndarray:
    """Shadow that the hair casts on the skin, (height, width), made at a quarter of the size."""
    small = cv2.resize(
        hair.alpha, (grid.width // 4, grid.height // 4), interpolation=cv2.INTER_AREA
    )
    unit = grid.scale / 64
    small = cv2.GaussianBlur(small, (0, 0), 1.3 * unit)
    shift = single([[1, 0, -light.way[0] * unit], [0, 1, 1.2 * unit]])
    small = cv2.warpAffine(small, shift, small.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(small, (grid.width, grid.height))


def _develop(linear: np.ndarray, view: Scene, size: int) -> np.ndarray:
    """Linear light to uint8, with the lens's blur and the film's grain."""
    if view.blur > 0.35:
        linear = cv2.GaussianBlur(linear, (0, 0), view.blur * size / 256)
    grain = view.grain * patch("grain", size, size, size, view.offsets[0])
    display = cv2.add(cv2.sqrt(np.maximum(linear, 0)), cv2.merge([grain] * 3))
    return cv2.convertScaleAbs(np.maximum(display, 0), alpha=255)


def _truth(person: Identity, age: float, view: Scene, size: int) -> dict[str, Any]:
    return {
        "seed": person.seed,
        "scene": view.seed,
        "age": float(age),
        "sex": person.sex,
        "style": person.style,
        "yaw": view.yaw,
        "pitch": view.pitch,
        "roll": view.roll,
        "smile": view.smile,
        "size": size,
    }
