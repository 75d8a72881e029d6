"""Brows, nostrils, the line of the mouth and teeth, painted on the lit skin."""

import numpy as np

from engine.worlds.portraits.anatomy import SIDES, brow_line, inner_lower_lip, lip_lines
from engine.worlds.portraits.canvas import Canvas, Stroke, paint
from engine.worlds.portraits.face import Face
from engine.worlds.portraits.relief import Light
from engine.worlds.portraits.skin import brow_colour, shadow_colour

_BROW_HAIRS = 40
_TEETH = np.array([0.74, 0.71, 0.64])
_MOUTH_INSIDE = np.array([0.045, 0.012, 0.012])


def paint_nose(skin: np.ndarray, face: Face, canvas: Canvas) -> None:
    """Nostrils and the wings' creases."""
    nose, dark = face.nose, shadow_colour(face)
    turn = np.linspace(0, 2 * np.pi, 12)
    x = 0.42 * nose.width + 0.055 * np.cos(turn)
    y = nose.y - 0.005 + 0.024 * np.sin(turn) - 0.02 * np.cos(turn)
    paint(skin, canvas.fill([np.stack([side * x, y], 1) for side in SIDES], 1.5), 0.7 * dark, 0.60)
    wing = np.array([(0.007, -0.20), (0.035, -0.13), (0.0315, -0.04), (0.0105, 0.01)])
    wing += (0.70 * nose.width, nose.y)
    strokes = [Stroke(wing * (side, 1), 0.5, 2.0) for side in SIDES]
    paint(skin, canvas.draw(strokes, 1.5), dark, 0.40)


def paint_mouth(skin: np.ndarray, face: Face, canvas: Canvas, light: Light) -> None:
    """The open mouth with its teeth, the line between the lips, the dimples at its corners."""
    mouth, dark = face.mouth, shadow_colour(face)
    _, middle, _ = lip_lines(mouth)
    if mouth.gap > 0.015:
        hole = np.concatenate([middle, inner_lower_lip(mouth, middle)[::-1]])
        paint(skin, canvas.fill([hole], 0.7), _MOUTH_INSIDE)
        top = middle[3:18]
        arc = np.maximum(1 - np.linspace(-1, 1, len(middle)) ** 2, 0)[3:18]
        reach = min(0.085, 0.85 * mouth.gap) * arc**0.35
        bottom = np.stack([0.95 * top[:, 0], top[:, 1] + np.minimum(reach, mouth.gap * arc)], 1)
        teeth = canvas.fill([np.concatenate([top, bottom[::-1]])], 0.8)
        paint(skin, teeth, _TEETH * face.eyes.white / 0.8 * light.level, 0.92)
    paint(skin, canvas.draw([Stroke(middle, 0.9, 2.0)], 0.9), dark * (1.1, 0.55, 0.55), 0.80)
    corners = [
        Stroke(np.array([(x - 0.03 * side, y + 0.008), (x + 0.022 * side, y - 0.016)]), 0.7, 2.5)
        for side, (x, y) in zip(SIDES, (middle[0], middle[-1]), strict=True)
    ]
    paint(skin, canvas.draw(corners, 1.6), dark, 0.42)


def paint_brows(
    skin: np.ndarray, face: Face, canvas: Canvas, light: Light, layout: np.random.Generator
) -> None:
    """Brows, hair by hair."""
    brows = face.brows
    t = np.arange(_BROW_HAIRS) / _BROW_HAIRS
    thickness = brows.thickness * (1 - 0.55 * t) * np.minimum(1, 0.5 + 3 * t)
    strokes = []
    for side in SIDES:
        line = brow_line(brows, face.eyes, side)
        x, y = (np.interp(8 * t, np.arange(9), line[:, i]) for i in range(2))
        spread = layout.uniform(-0.24, 0.24, _BROW_HAIRS)
        strength = layout.uniform(0.4, 1, _BROW_HAIRS)
        roots = np.stack([x - side * 0.02, y + thickness * (1 + spread)], 1)
        tips = np.stack([x + side * 0.035, y - thickness * (1 - spread)], 1)
        strokes += [
            Stroke(np.stack([root, tip]), float(weight), 1.6)
            for root, tip, weight in zip(roots, tips, strength, strict=True)
        ]
    paint(skin, canvas.draw(strokes, 1.0), brow_colour(face) * light.level, brows.density)
