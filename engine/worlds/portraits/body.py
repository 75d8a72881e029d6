"""Behind and below the face: background, back hair, neck and shoulders, painted in the picture."""

from dataclasses import replace

import cv2
import numpy as np

from engine.worlds.portraits.camera import Camera
from engine.worlds.portraits.canvas import single
from engine.worlds.portraits.face import Face
from engine.worlds.portraits.palette import GREY_HAIR, blend
from engine.worlds.portraits.relief import Light
from engine.worlds.portraits.scene import Scene
from engine.worlds.portraits.textures import patch


class Backdrop:
    """A picture in linear light on which soft flat shapes are laid at a depth behind the face."""

    def __init__(self, view: Scene, lens: Camera) -> None:
        size = lens.size
        self.lens = lens
        near, far = (single(np.square(colour)) for colour in view.backdrop)
        u = np.linspace(0, 1, size, dtype=np.float32)
        cloud = patch("cloud", size, size, size, view.offsets[1])
        share = np.clip(0.5 * u[None] + 0.5 * u[:, None] + 0.22 * cloud, 0, 1)
        self.picture = near + share[..., None] * (far - near)

    def lay(
        self,
        outline: list[tuple[float, float]],
        depth: float,
        colour: np.ndarray,
        blur: float,
        opacity: float = 1.0,
    ) -> None:
        """Lay a shape given in face units; blur in pixels of a 256-pixel picture."""
        size = self.lens.size
        points = self.lens.project(np.array(outline), depth)
        sigma = blur * size / 256
        left, top = np.clip(np.floor(points.min(0) - 3 * sigma), 0, size - 1).astype(int)
        right, bottom = np.clip(
            np.ceil(points.max(0) + 3 * sigma), (left + 1, top + 1), size
        ).astype(int)
        mask = np.zeros((bottom - top, right - left), np.uint8)
        placed = np.round((points - 0.5 - (left, top)) * 16).astype(np.int32).reshape(-1, 1, 2)
        cv2.fillPoly(mask, [placed], 255, cv2.LINE_AA, 4)
        alpha = cv2.GaussianBlur(mask, (0, 0), sigma) * (opacity / 255)
        part = self.picture[top:bottom, left:right]
        part += alpha[..., None] * (single(colour) - part)


def paint_body(face: Face, view: Scene, lens: Camera, light: Light) -> np.ndarray:
    """Everything behind the face, linear (size, size, 3)."""
    # All of it is soft: half the size does, at a quarter of the time.
    half = lens.size // 2
    backdrop = Backdrop(view, replace(lens, frame=lens.frame * (half / lens.size), size=half))
    level = 0.55 * light.key + 0.4 * light.ambient
    if face.hair.long > 0.1:
        _lay_back_hair(backdrop, face, level)
    _lay_neck(backdrop, face, light, level)
    _lay_clothes(backdrop, face, view, level)
    return cv2.resize(backdrop.picture, (lens.size, lens.size), interpolation=cv2.INTER_LINEAR)


def _mirrored(right: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Close an outline given from top to bottom by its right half."""
    return [(-x, y) for x, y in right] + right[::-1]


def _lay_back_hair(backdrop: Backdrop, face: Face, level: float) -> None:
    hair, skull = face.hair, face.skull
    colour = blend(hair.colour, GREY_HAIR, hair.grey) ** 2
    wide, end = skull.temple_w + 0.7 * hair.lift, hair.end_y
    outline = [(0.9 * wide, -0.9), (1.08 * wide, 0.2), (1.06 * wide, end), (0.7 * wide, end + 0.14)]
    backdrop.lay(_mirrored(outline), -0.3, 0.40 * level * colour, 2.5)
    inside = [(0.8 * wide, -0.2), (0.72 * wide, end), (0.6 * wide, end + 0.1)]
    backdrop.lay(_mirrored(inside), -0.3, 0.16 * level * colour, 6.0, 0.8)


def _lay_neck(backdrop: Backdrop, face: Face, light: Light, level: float) -> None:
    wide, chin = face.skull.neck_w, face.skull.chin_y
    skin = face.skin.colour**2
    neck = [(wide, 0.6), (0.97 * wide, chin + 0.1), (1.12 * wide, chin + 0.5), (1.5, chin + 0.85)]
    backdrop.lay(_mirrored(neck), -0.35, 0.64 * level * skin, 1.5)
    # The neck is a column: its side away from the lamp is darker.
    away = -1 if light.way[0] > 0 else 1
    column = [
        (away * 1.05 * wide, 0.6),
        (away * 1.05 * wide, chin + 0.45),
        (away * 1.2 * wide, chin + 0.8),
        (away * 0.55 * wide, chin + 0.8),
        (away * 0.5 * wide, 0.6),
    ]
    backdrop.lay(column, -0.33, 0.36 * level * skin, 9.0, 0.75)
    shadow = [(0.95 * wide, 0.6), (0.9 * wide, chin + 0.05), (0.4 * wide, chin + 0.24)]
    backdrop.lay(_mirrored(shadow), -0.2, 0.20 * level * skin, 6.0, 0.95)
    pad = face.relief.double_chin
    if pad > 0.05:
        _lay_double_chin(backdrop, face, pad, level)
    hollow = [(0.10, chin + 0.62), (0.16, chin + 0.72), (0.05, chin + 0.82)]
    backdrop.lay(_mirrored(hollow), -0.3, 0.42 * level * skin, 4.0, 0.5)


def _lay_double_chin(backdrop: Backdrop, face: Face, pad: float, level: float) -> None:
    chin, skin = face.skull.chin_y, face.skin.colour**2
    wide = (0.62 + 0.10 * pad) * face.skull.jaw_w
    low = chin + 0.05 + 0.15 * min(pad, 1.0)
    fold = [
        (1.05 * wide, chin - 0.42),
        (0.80 * wide, chin - 0.06),
        (0.42 * wide, low),
        (0.0, low + 0.035),
    ]
    strength = min(1.0, 1.3 * pad)
    below = [(x, y + 0.07) for x, y in fold]
    backdrop.lay(_mirrored(below), -0.1, 0.22 * level * skin, 5.0, 0.7 * strength)
    backdrop.lay(_mirrored(fold), -0.1, 0.62 * level * skin, 2.5, strength)


def _lay_clothes(backdrop: Backdrop, face: Face, view: Scene, level: float) -> None:
    wide, chin, neck = face.skull.shoulder_w, face.skull.chin_y, face.skull.neck_w
    cloth = np.square(view.cloth)
    dip = 0.52 + 0.40 * view.neckline
    outline = [
        (0.0, chin + dip),
        (0.45 * neck, chin + 0.75 * dip + 0.08),
        (1.15 * neck, chin + 0.36),
        (wide, chin + 0.72),
        (1.4 * wide, 4.0),
        (1.5 * wide, 14.0),  # beyond the frame of the widest shot
    ]
    backdrop.lay(_mirrored(outline), -0.35, cloth * level, 1.2)
