"""Where things are on a face: curves in face units and the 68 landmarks."""

import cv2
import numpy as np

from engine.worlds.portraits.face import Brows, Eyes, Face, Mouth

SIDES = (-1, 1)  # the picture's left, then right
LOWER_LID = 0.62  # height of the lower lid's arc over the upper's
_OUTLINE_STEP = 0.02
_OUTLINE = np.arange(-2.2, 2.2, _OUTLINE_STEP)


def half_width(face: Face, y: np.ndarray) -> np.ndarray:
    """Half the width of the head at heights y; zero above the top and below the chin."""
    return np.sqrt(np.maximum(squared_half_width(face, y), 0))


def squared_half_width(face: Face, y: np.ndarray) -> np.ndarray:
    """Square of the half width of the head at heights y, running on below zero beyond its ends."""
    skull, mouth = face.skull, face.mouth
    top, chin = skull.top_y, skull.chin_y
    knots = {
        top: 0.0,
        top + 0.10: 0.48,
        top + 0.36: 0.82,
        -0.72: skull.temple_w,
        0.12: skull.cheek_w,
        mouth.y - 0.18: skull.jaw_w + 0.07,
        mouth.y + 0.22: skull.jaw_w * 0.83 + 0.30 * face.relief.jowl,
        chin - 0.16: skull.chin_w * 0.88,
        chin - 0.05: skull.chin_w * 0.56,
        chin: 0.0,
    }
    # Squares are interpolated: a straight fall of the square to zero is a round end.
    squares = np.interp(_OUTLINE, list(knots), np.square(list(knots.values())), 0, 0)
    squares = cv2.GaussianBlur(squares[None], (0, 0), 3.5)[0]
    round_chin = 6.2 * skull.chin_w**2 * (chin - _OUTLINE)
    round_top = 2.7 * (_OUTLINE - top)
    squares = np.minimum(np.minimum(squares, round_chin), round_top)
    return np.interp(y, _OUTLINE, squares).astype(np.float32)


def eye_point(eyes: Eyes, side: int, along: float, lid: float) -> tuple[float, float]:
    """A point of the eye's rim: along -1 (inner corner) .. 1 (outer), lid -1 upper, 1 lower."""
    reach = 1.0 if lid < 0 else LOWER_LID
    x = along * eyes.width
    y = eyes.height * reach * lid * lid_arc(np.array(along))
    cosine, sine = np.cos(eyes.tilt), np.sin(eyes.tilt)
    return side * (eyes.x + x * cosine + y * sine), float(y * cosine - x * sine)


def lid_arc(along: np.ndarray) -> np.ndarray:
    """Shape of a lid: 1 at its middle, 0 at the corners (along = +-1)."""
    return np.maximum(1 - np.minimum(np.abs(along), 1) ** 2.5, 0) ** 0.8


def brow_line(brows: Brows, eyes: Eyes, side: int, points: int = 9) -> np.ndarray:
    """Middle line of an eyebrow from its inner to its outer end, (points, 2)."""
    t = np.linspace(0, 1, points)
    x = eyes.x - 0.32 + t * (0.69 + 0.28 * (brows.thickness - 0.045))
    arch = brows.arch * np.sin(0.93 * np.pi * t)
    y = brows.y - arch + 0.02 + 0.06 * t**3 - 0.03 * brows.tilt * t + brows.droop * t
    return np.stack([side * x, y], 1)


def lip_lines(mouth: Mouth, points: int = 21) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Upper edge, line where the lips meet, lower edge; each (points, 2) from left to right."""
    t = np.linspace(-1, 1, points)
    arc = np.maximum(1 - t * t, 0)
    x = t * mouth.width
    corner = (mouth.droop - 0.12 * mouth.smile) * t * t
    middle = mouth.y + corner + 0.012 * np.cos(6 * t) * arc
    cupid = 1 - 0.28 * np.exp(-((t / 0.13) ** 2))
    upper = mouth.y + corner - mouth.upper * arc**0.75 * cupid
    lower = mouth.y + corner + mouth.gap * arc + mouth.lower * arc**0.7
    return np.stack([x, upper], 1), np.stack([x, middle], 1), np.stack([x, lower], 1)


def inner_lower_lip(mouth: Mouth, middle: np.ndarray) -> np.ndarray:
    """Upper edge of the lower lip: the meeting line, lowered by the gap."""
    arc = np.maximum(1 - np.linspace(-1, 1, len(middle)) ** 2, 0)
    return middle + np.stack([np.zeros(len(middle)), mouth.gap * arc], 1)


def ear_outline(face: Face, side: int) -> np.ndarray:
    """Outline of an ear, (24, 2)."""
    turn = np.linspace(0, 2 * np.pi, 24)
    skull = face.skull
    x = skull.cheek_w + 0.03 + 0.13 * np.cos(turn) * (1 - 0.25 * np.sin(turn))
    y = 0.20 + skull.ear_drop + 0.36 * skull.ear_size * np.sin(turn)
    return np.stack([side * x, y], 1)


def landmarks(face: Face) -> np.ndarray:
    """The 68 points in face units and dlib's order, as the picture really shows them."""
    return np.concatenate(
        [_jaw(face), _brow_points(face), _nose_points(face), _eye_points(face), _mouth_points(face)]
    )


def _jaw(face: Face) -> np.ndarray:
    mouth_y, chin_y = face.mouth.y, face.skull.chin_y
    lower = (mouth_y + 0.27, (mouth_y + chin_y) / 2 + 0.12, chin_y - 0.05)
    y = np.concatenate([np.linspace(0.02, mouth_y, 5), lower])
    left = np.stack([-0.98 * half_width(face, y), y], 1)
    chin = np.array([[0.0, chin_y - 0.02]])
    return np.concatenate([left, chin, left[::-1] * (-1, 1)])


def _brow_points(face: Face) -> np.ndarray:
    left, right = (brow_line(face.brows, face.eyes, side)[::2] for side in SIDES)
    return np.concatenate([left[::-1], right])


def _nose_points(face: Face) -> np.ndarray:
    nose = face.nose
    ridge = [(0.0, y) for y in np.linspace(0.02, nose.y - 0.16, 4)]
    base = [
        (t * nose.width * 0.70, nose.y - 0.01 + 0.03 * (1 - abs(t))) for t in (-1, -0.5, 0, 0.5, 1)
    ]
    return np.array(ridge + base)


def _eye_points(face: Face) -> np.ndarray:
    # Outer corner, upper lid outer and inner, inner corner, lower lid inner and outer.
    rim = ((0.94, 1), (0.4, -1), (-0.4, -1), (-0.94, 1), (-0.4, 1), (0.4, 1))
    left = [eye_point(face.eyes, -1, *place) for place in rim]
    right = [eye_point(face.eyes, 1, *rim[place]) for place in (3, 2, 1, 0, 5, 4)]
    # The eye seems to end below its wet rim.
    return np.array(left + right) + np.array([0.0, 0.004])


def _mouth_points(face: Face) -> np.ndarray:
    upper, middle, lower = lip_lines(face.mouth)
    inner = inner_lower_lip(face.mouth, middle)
    # Soft edges: the lips' colour reaches a little past their curves, the dark between them too.
    upper, lower, inner = (
        line + np.array([0.0, reach])
        for line, reach in ((upper, -0.024), (lower, 0.036), (inner, 0.03))
    )
    return np.concatenate(
        [
            upper[[0, 4, 8, 10, 12, 16, 20]],
            lower[[17, 14, 10, 6, 3]],
            middle[[1, 6, 10, 14, 19]],
            inner[[14, 10, 6]],
        ]
    )
