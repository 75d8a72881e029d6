"""The lines of age, each where anatomy puts it; their course stays the person's own for life."""

import numpy as np

from engine.worlds.portraits.anatomy import SIDES, eye_point
from engine.worlds.portraits.canvas import Stroke
from engine.worlds.portraits.face import Face


def age_lines(face: Face, layout: np.random.Generator) -> list[Stroke]:
    """All lines of a face; the layout is drawn in full at every age, so that lines never jump."""
    strokes = _forehead(face, layout)
    for side in SIDES:
        strokes += _eye(face, side, layout)
        strokes += _mouth(face, side, layout)
        strokes += _frown(face, side, layout)
    return strokes


def _forehead(face: Face, layout: np.random.Generator) -> list[Stroke]:
    strokes = []
    for place in range(4):
        y = face.brows.y - 0.26 - 0.13 * place + layout.normal(0, 0.02)
        reach = (0.60 - 0.06 * place) * layout.uniform(0.8, 1.0)
        x = np.linspace(-reach, reach, 13) + layout.normal(0, 0.04)
        # Lines echo the brows: high over their arches, low in the middle and at the temples.
        arch = 0.028 * np.cos(2 * np.pi * x / 0.95) - 0.07 * x * x
        wobble = np.cumsum(layout.normal(0, 0.006, 13))
        points = np.stack([x, y - arch + wobble], 1)
        strength = face.lines.forehead * layout.uniform(0.45, 0.95)
        # A line is deepest in its middle and runs out thinly.
        strokes += [Stroke(points, 0.55 * strength, 1.8), Stroke(points[2:11], strength, 2.3)]
    return strokes


def _eye(face: Face, side: int, layout: np.random.Generator) -> list[Stroke]:
    """Crow's feet at the outer corner, folds under the lid."""
    strokes = []
    eyes, lines = face.eyes, face.lines
    corner = np.array([eye_point(eyes, side, 1.0, 0.0)])
    t = np.linspace(0.25, 1, 5)[:, None]
    for ray in range(5):
        angle = -0.55 + 0.3 * ray + layout.normal(0, 0.06)
        length = 0.19 + 0.09 * lines.crow_feet + layout.normal(0, 0.02)
        way = np.array([[side * np.cos(angle), np.sin(angle)]])
        points = corner + t * length * way + t * t * (0, 0.03)
        strokes.append(Stroke(points, lines.crow_feet * layout.uniform(0.6, 1.0), 1.9))
    along = np.linspace(-0.9, 1.0, 9)
    for fold in range(2):
        x = eyes.x + along * eyes.width * (1 + 0.1 * fold)
        sink = 0.085 + 0.07 * fold + (0.05 + 0.02 * fold) * (1 - along * along)
        points = np.stack([side * x, 0.6 * eyes.height + sink], 1)
        strokes.append(Stroke(points, lines.under_eye * (1 - 0.35 * fold), 2.2))
    return strokes


def _mouth(face: Face, side: int, layout: np.random.Generator) -> list[Stroke]:
    """From the nose to the mouth, from the mouth to the jaw, over the lip and down the cheek."""
    nose, mouth, lines = face.nose, face.mouth, face.lines
    t = np.linspace(0, 1, 9)
    x = nose.width + 0.03 + t * (1.13 * mouth.width - nose.width) + 0.05 * np.sin(np.pi * t)
    fall = mouth.y - nose.y + 0.06 + 0.10 * lines.nasolabial
    strokes = [
        Stroke(np.stack([side * x, nose.y - 0.08 + t * fall], 1), lines.nasolabial, 3.0),
        Stroke(
            np.array(
                [
                    (side * (mouth.width + 0.01), mouth.y + 0.07),
                    (side * (mouth.width + 0.05), mouth.y + 0.20),
                    (side * (mouth.width + 0.03), mouth.y + 0.34),
                ]
            ),
            lines.marionette,
            2.5,
        ),
    ]
    for place in range(2):
        x_top = 1.1 * mouth.width + 0.16 + 0.13 * place + layout.normal(0, 0.02)
        y_top = mouth.y - 0.22 + layout.normal(0, 0.04)
        length = layout.uniform(0.22, 0.38)
        t = np.linspace(0, 1, 7)
        fold = np.stack([x_top + 0.10 * np.sin(np.pi * t) - 0.05 * t, y_top + length * t], 1)
        strength = lines.cheek * layout.uniform(0.6, 1.0)
        strokes.append(Stroke(fold * (side, 1), 0.6 * strength, 1.7))
        strokes.append(Stroke(fold[1:6] * (side, 1), strength, 1.9))
    for place in range(4):
        x_lip = side * (0.04 + 0.075 * place)
        edge = mouth.y - mouth.upper
        strokes.append(
            Stroke(np.array([(x_lip, edge - 0.10), (0.97 * x_lip, edge)]), lines.lip, 1.2)
        )
    return strokes


def _frown(face: Face, side: int, layout: np.random.Generator) -> list[Stroke]:
    y = face.brows.y + 0.20
    x = 0.085 + layout.normal(0, 0.01)
    points = np.array([(x, y - 0.20), (x - 0.005, y - 0.09), (x + 0.02, y)]) * (side, 1)
    return [Stroke(points, face.lines.frown, 2.4)]
