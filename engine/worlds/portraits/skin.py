"""Skin: its colour, marks and beard, in linear light (display squared)."""

import cv2
import numpy as np

from engine.worlds.portraits.anatomy import SIDES, inner_lower_lip, lip_lines
from engine.worlds.portraits.canvas import Canvas, ramp, single
from engine.worlds.portraits.face import Face
from engine.worlds.portraits.palette import GREY_HAIR, blend
from engine.worlds.portraits.relief import Light, Shading
from engine.worlds.portraits.textures import patch

# Light creeps around edges under the skin, red furthest.
_WRAP = (0.36, 0.22, 0.18)


def lip_cover(face: Face, canvas: Canvas) -> np.ndarray:
    """Opacity of both lips, (height, width)."""
    upper, middle, lower = lip_lines(face.mouth)
    inner = inner_lower_lip(face.mouth, middle)
    outlines = [np.concatenate([upper, middle[::-1]]), np.concatenate([inner, lower[::-1]])]
    return canvas.whole(canvas.fill(outlines, 1.3))


def albedo(
    face: Face, canvas: Canvas, lines: np.ndarray, lips: np.ndarray, offsets: list[int]
) -> np.ndarray:
    """Linear colour of the skin in even light, (height, width, 3); offsets place the textures."""
    skin = face.skin
    linear = (skin.colour**2).tolist()
    blush = _blush(face, canvas)
    blush += (0.6 * skin.mottle) * _patch("blotch", canvas, offsets[2])
    tone = _tone(face, canvas, lines, offsets)
    # What makes skin red takes green and blue away.
    channels = [
        tone * (linear[i] + (linear[i] * share) * blush)
        for i, share in enumerate((1.0, -0.9, -0.9))
    ]
    colour = cv2.merge(channels)
    colour += (0.85 * lips)[..., None] * (single(face.mouth.colour**2) - colour)
    if face.hair.stubble > 0.05:
        _grow_beard(colour, face, canvas, lips, offsets)
    return colour


def lit(
    colour: np.ndarray, face: Face, lips: np.ndarray, shading: Shading, light: Light
) -> np.ndarray:
    """Skin colour (height, width, 3) under the lamp, linear."""
    ambient = shading.open * shading.sky * (0.55 * light.ambient)
    channels = []
    for wrap, tint in zip(_WRAP, (1, 0, -1), strict=True):
        power = (1 + light.warmth * tint) * light.key * 1.15 / (1 + wrap)
        reached = np.maximum(shading.facing + wrap, 0)
        channels.append(shading.open * reached * power + ambient)
    gloss = ((face.skin.gloss * light.key) + (0.05 * light.key) * lips) * shading.shine
    return cv2.add(cv2.multiply(colour, cv2.merge(channels)), cv2.merge([gloss] * 3))


def _blush(face: Face, canvas: Canvas) -> np.ndarray:
    skin, nose = face.skin, face.nose
    bumps = [(skin.blush, side * 0.62, 0.48, 0.24, 0.21) for side in SIDES]
    bumps += [(skin.nose_blush, 0, nose.y - 0.06, 0.16, 0.13), (-0.05, 0, -0.8, 0.6, 0.3)]
    return canvas.bumps(bumps)


def _tone(face: Face, canvas: Canvas, lines: np.ndarray, offsets: list[int]) -> np.ndarray:
    """Lighter and darker places: mottle, lines, eye shadows, moles, freckles, age spots."""
    skin, eyes = face.skin, face.eyes
    bumps = [(-skin.eye_shadow, side * (eyes.x - 0.04), 0.17, 0.17, 0.075) for side in SIDES]
    bumps += [(-strength, x, y, radius, radius) for x, y, radius, strength in skin.moles]
    tone = 1 + canvas.bumps(bumps) - (0.17 + 0.16 * skin.roughness) * lines
    tone += (0.016 + 0.8 * skin.mottle) * _patch("cloud", canvas, offsets[3])
    tone += (0.004 + 0.5 * skin.mottle + 0.022 * skin.roughness) * _patch(
        "speckle", canvas, offsets[4]
    )
    if skin.freckles > 0.05:
        where = canvas.bumps([(1, 0, 0.3, 0.6, 0.22)])
        sprinkled = ramp(_patch("speckle", canvas, offsets[5]), 1.0, 1.8)
        tone -= (0.22 * skin.freckles) * sprinkled * where
    if skin.spots > 0.02:
        tone -= skin.spots * ramp(_patch("spot", canvas, offsets[6]), 1.9, 2.6)
    return np.maximum(tone, 0.1)


def _grow_beard(
    colour: np.ndarray, face: Face, canvas: Canvas, lips: np.ndarray, offsets: list[int]
) -> None:
    """Stubble on grown men, a full beard on some; greys like the hair, a little earlier."""
    hair, mouth = face.hair, face.mouth
    low = np.abs(canvas.row) * 0.9 + (canvas.column - mouth.y)
    where = ramp(low, 0.02, 0.32) * ramp(canvas.column, 0.25, 0.75)
    moustache_y = (face.nose.y + mouth.y - mouth.upper) / 2 + 0.04
    where += canvas.bumps([(1.1, 0, moustache_y, 0.27, 0.09)])
    where = np.clip(where, 0, 1) * (1 - lips)
    bristles = np.clip(0.82 + 0.16 * _patch("pores", canvas, offsets[7]), 0, 1)
    opacity = where * hair.stubble * (0.14 + (0.66 * hair.beard) * bristles)
    turned = hair.beard_grey * 1.7 - 0.2 + 0.2 * _patch("pores", canvas, offsets[1])
    grey = np.clip(turned, 0, 1) * min(1.0, 5 * hair.beard_grey)
    # A beard lets the skin through: on dark skin a white one is pepper and salt.
    lightest = np.minimum(0.92 * GREY_HAIR, face.skin.colour.mean() + 0.15)
    dark, white = ((0.9 * hair.colour) ** 2).tolist(), (lightest**2).tolist()
    shades = [pigment + grey * (pale - pigment) for pigment, pale in zip(dark, white, strict=True)]
    colour += opacity[..., None] * (cv2.merge(shades) - colour)


def shadow_colour(face: Face) -> np.ndarray:
    """Linear colour of skin in deep shade."""
    return (0.30 * face.skin.colour) ** 2


def brow_colour(face: Face) -> np.ndarray:
    """Linear colour of the eyebrows."""
    return np.minimum(0.62 * blend(face.hair.colour, GREY_HAIR, face.brows.grey), 0.6) ** 2


def _patch(name: str, canvas: Canvas, offset: int) -> np.ndarray:
    return patch(name, canvas.size, canvas.height, canvas.width, offset)
