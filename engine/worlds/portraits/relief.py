"""The head as a landscape: its height, how it catches light, and where it lies in shade."""

from dataclasses import dataclass

import cv2
import numpy as np

from engine.worlds.portraits.anatomy import squared_half_width
from engine.worlds.portraits.canvas import Canvas, ramp, single
from engine.worlds.portraits.face import Face
from engine.worlds.portraits.scene import Scene
from engine.worlds.portraits.textures import patch


@dataclass(frozen=True, slots=True)
class Head:
    """Where the head lies: half width and bulge (height, 1) by row, cover (height, width)."""

    half_width: np.ndarray
    bulge: np.ndarray
    cover: np.ndarray


@dataclass(frozen=True, slots=True)
class Light:
    """Light in the head's own frame: `way` points to the lamp, `half` between lamp and camera."""

    way: tuple[float, float, float]
    half: tuple[float, float, float]
    key: float
    ambient: float
    warmth: float

    @property
    def level(self) -> float:
        """Brightness of what is painted flat, such as eyes and teeth."""
        return 0.85 * self.key + 0.45 * self.ambient


@dataclass(frozen=True, slots=True)
class Shading:
    """How much light reaches the skin: (height, width) each."""

    facing: np.ndarray  # cosine to the lamp, negative in the dark
    sky: np.ndarray  # soft light from above
    open: np.ndarray  # below 1 in folds and hollows
    shine: np.ndarray  # gloss


def light_of(view: Scene, turn: np.ndarray) -> Light:
    """The scene's lamp, turned into the head's frame."""
    lamp = np.array([view.light_x, view.light_y, 1.0])
    way = turn.T @ (lamp / np.linalg.norm(lamp))
    half = way + turn.T @ np.array([0.0, 0.0, 1.0])
    half = half / np.linalg.norm(half)
    x, y, z = way.tolist()
    half_x, half_y, half_z = half.tolist()
    return Light((x, y, z), (half_x, half_y, half_z), view.key, view.ambient, view.warmth)


def head(face: Face, canvas: Canvas) -> Head:
    """Lay the outline of the head on the canvas."""
    skull = face.skull
    middle, reach = (skull.top_y + skull.chin_y) / 2, (skull.chin_y - skull.top_y) / 2 + 0.10
    bulge = np.sqrt(np.maximum(1 - ((canvas.y - middle) / reach) ** 2, 0))
    squares = squared_half_width(face, canvas.y)
    steep = np.gradient(squares, canvas.y)[:, None]
    # Distance to the outline where x squared meets the squared half width, exact to first order.
    inside = (squares[:, None] - canvas.row**2) / np.sqrt(4 * canvas.row**2 + steep**2 + 1e-6)
    cover = np.clip(inside * canvas.scale + 0.5, 0, 1)
    widths = np.sqrt(np.maximum(squares, 0))
    return Head(widths[:, None], single(bulge)[:, None], single(cover))


def height(face: Face, canvas: Canvas, shape: Head) -> np.ndarray:
    """Height of the bare head towards the camera in face units, (height, width)."""
    across = np.minimum((canvas.row / np.maximum(shape.half_width, 0.2)) ** 2, 0.97)
    ground = shape.bulge**0.7 * np.sqrt(1.0001 - across * (0.75 + 0.25 * across))
    nose = face.nose
    along = np.exp(-0.5 * ((canvas.column - nose.y + 0.22) / 0.30) ** 2)
    breadth = 0.09 + 0.05 * ramp(canvas.column, 0.1, nose.y)
    ridge = nose.bridge * along * np.exp(-0.5 * (canvas.row / breadth) ** 2)
    return ground + ridge + canvas.bumps(_middle_bumps(face) + _side_bumps(face))


def _middle_bumps(face: Face) -> list[tuple[float, float, float, float, float]]:
    nose, mouth, chin_y = face.nose, face.mouth, face.skull.chin_y
    lower_lip = mouth.y + mouth.gap + mouth.lower
    return [
        (nose.tip, 0, nose.y - 0.13 + nose.droop, 0.12, 0.10),
        (-0.035, 0, nose.y + 0.10, 0.20, 0.06),
        (-0.02, 0, (nose.y + mouth.y) / 2, 0.035, 0.08),
        (0.05, 0, mouth.y - 0.5 * mouth.upper, 0.6 * mouth.width, 0.045),
        (0.06, 0, lower_lip - 0.55 * mouth.lower, 0.5 * mouth.width, 0.055),
        (-0.07, 0, lower_lip + 0.09, 0.24, 0.06),
        (face.relief.chin_boss, 0, chin_y - 0.22, 0.22, 0.13),
    ]


def _side_bumps(face: Face) -> list[tuple[float, float, float, float, float]]:
    """Bumps that come in pairs, right then left."""
    nose, mouth, eyes, relief = face.nose, face.mouth, face.eyes, face.relief
    joy = max(mouth.smile, 0.0)
    chin_y = face.skull.chin_y
    right = [
        (0.10, 0.68 * nose.width, nose.y - 0.08, 0.07, 0.075),
        (-0.18, 0.98 * eyes.x, -0.02, 0.25, 0.16),
        (-0.08, 0.24, -0.05, 0.08, 0.12),
        (0.055, eyes.x, 0.02, 0.16, 0.11),
        (relief.brow_ridge, eyes.x + 0.02, face.brows.y + 0.04, 0.28, 0.08),
        (relief.cheek_apple, 0.62, 0.48 + 0.8 * relief.jowl - 0.06 * joy, 0.22, 0.18),
        (relief.cheek_fat, 0.68, 0.86, 0.19, 0.24),
        (-relief.temple_hollow, 0.92, -0.45, 0.14, 0.25),
        (relief.jowl, 0.60, mouth.y + 0.36, 0.15, 0.14),
        (-0.25 * relief.jowl, 0.34, chin_y - 0.26, 0.08, 0.12),
        (relief.eye_bag, eyes.x, 0.20, 0.17, 0.05),
        # The corners of a smiling mouth dig into the cheeks.
        (-0.025 - 0.03 * joy, mouth.width + 0.03, mouth.y - 0.10 * mouth.smile, 0.06, 0.07),
    ]
    return [(size, side * x, y, wide, high) for size, x, y, wide, high in right for side in (1, -1)]


def shading(
    face: Face, canvas: Canvas, bare: np.ndarray, lines: np.ndarray, light: Light, offset: int
) -> Shading:
    """Light on the relief with its lines engraved; bare, lines: (height, width)."""
    rough = face.skin.roughness
    place = canvas.height, canvas.width
    engraved = bare - 0.062 * lines
    engraved += (0.0034 * rough) * patch("speckle", canvas.size, *place, offset)
    engraved += (0.0042 * rough) * patch("blotch", canvas.size, *place, offset + 1)
    smooth = canvas.blurred(engraved, 0.9)
    slope_x = np.clip(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=canvas.scale / 8), -3, 3)
    slope_y = np.clip(cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=canvas.scale / 8), -3, 3)
    steep = 1 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    x, y, z = light.way
    half_x, half_y, half_z = light.half
    shine = np.clip((half_z - half_x * slope_x - half_y * slope_y) * steep, 0, 1)
    for _ in range(4):  # to the power of 16
        shine = shine * shine
    return Shading(
        facing=(z - x * slope_x - y * slope_y) * steep,
        sky=0.78 + 0.22 * slope_y * steep,
        open=np.clip(1 + 1.5 * (engraved - _surroundings(engraved, canvas)), 0.45, 1.08),
        shine=shine,
    )


def _surroundings(relief: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Mean height of the neighbourhood, made at a quarter of the size."""
    small = cv2.resize(relief, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    wide = cv2.GaussianBlur(small, (0, 0), 3.2 * canvas.scale / 64)
    return cv2.resize(wide, (canvas.width, canvas.height))
