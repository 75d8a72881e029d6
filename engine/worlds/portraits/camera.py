"""From the head to the picture: turn, frame, and the one map of pixels and landmarks alike."""

from dataclasses import dataclass

import cv2
import numpy as np

from engine.worlds.portraits.canvas import TOP, Canvas, single
from engine.worlds.portraits.face import Face
from engine.worlds.portraits.scene import Scene

PIVOT_DEPTH = 0.5  # the head turns about an axis at half the depth of its dome
_COARSE = 4  # the map is smooth: it is solved on every fourth pixel


def rotation(view: Scene) -> np.ndarray:
    """Turn of the head as a 3 x 3 matrix: yaw to the side, pitch up and down."""
    yaw, pitch = np.radians(view.yaw), np.radians(view.pitch)
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    nod = np.array(
        [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    )
    return turn @ nod


@dataclass(frozen=True, slots=True)
class Camera:
    """Pose and framing of one picture: `frame` maps turned face units to pixels (2 x 3).

    Pixels here are continuous: the top left pixel covers 0..1.
    """

    turn: np.ndarray
    frame: np.ndarray
    nose_y: float
    size: int

    def project(self, points: np.ndarray, depth: float | np.ndarray) -> np.ndarray:
        """Pixels (n, 2) of points (n, 2) at a depth, both in face units."""
        turned = np.column_stack([points, np.broadcast_to(depth, len(points))]) @ self.turn.T
        return turned[:, :2] @ self.frame[:, :2].T + self.frame[:, 2]

    def on_face(self, points: np.ndarray) -> np.ndarray:
        """Pixels (n, 2) of points on the surface of the face."""
        return self.project(points, surface(points[:, 0], points[:, 1], self.nose_y))

    def lookup(self, canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
        """For each picture pixel the canvas pixel (x, y) that it shows, (size, size) each."""
        coarse = self.size // _COARSE
        steps = (np.arange(coarse, dtype=np.float32) + 0.5) * _COARSE
        unframe = np.linalg.inv(self.frame[:, :2])
        offset = unframe @ self.frame[:, 2]
        plane_x = unframe[0, 0] * steps[None] + unframe[0, 1] * steps[:, None] - offset[0]
        plane_y = unframe[1, 0] * steps[None] + unframe[1, 1] * steps[:, None] - offset[1]
        unturn = np.linalg.inv(self.turn[:2, :2])
        flat_x = single(unturn[0, 0] * plane_x + unturn[0, 1] * plane_y)
        flat_y = single(unturn[1, 0] * plane_x + unturn[1, 1] * plane_y)
        lean_x, lean_y = (unturn @ self.turn[:2, 2]).tolist()
        x, y = flat_x, flat_y
        # The depth depends on where the ray lands: three rounds settle it.
        for _ in range(3):
            depth = surface(x, y, self.nose_y)
            x, y = flat_x - depth * lean_x, flat_y - depth * lean_y
        places = (x - canvas.left) * canvas.scale - 0.5, (y - TOP) * canvas.scale - 0.5
        across, down = (
            cv2.resize(place, (self.size, self.size), interpolation=cv2.INTER_CUBIC)
            for place in places
        )
        return across, down


def surface(x: np.ndarray, y: np.ndarray, nose_y: float) -> np.ndarray:
    """Depth of the head's surface, smooth enough to be inverted: a dome with a nose."""
    dome = 0.95 * (1 - (x / 1.45) ** 2 - ((y - 0.1) / 2.6) ** 2)
    nose = 0.22 * np.exp(-0.5 * ((x / 0.2) ** 2 + ((y - nose_y + 0.15) / 0.25) ** 2))
    return dome + nose - PIVOT_DEPTH


def camera(face: Face, points: np.ndarray, view: Scene, size: int) -> Camera:
    """Frame a face by its landmarks (68, 2) as FFHQ does, then move it by the scene's framing."""
    turn = rotation(view)
    depth = surface(points[:, 0], points[:, 1], face.nose.y)
    turned = (np.column_stack([points, depth]) @ turn.T)[:, :2]
    return Camera(turn, _ffhq_frame(turned, view) * size, face.nose.y, size)


def _ffhq_frame(turned: np.ndarray, view: Scene) -> np.ndarray:
    """Map of turned face units to the unit square, from eye centres and mouth corners (2 x 3)."""
    left_eye, right_eye = turned[36:42].mean(0), turned[42:48].mean(0)
    mouth = (turned[48] + turned[54]) / 2
    middle = (left_eye + right_eye) / 2
    between, down = right_eye - left_eye, mouth - middle
    axis = between + np.array([down[1], -down[0]])
    axis = axis / np.hypot(*axis) * max(np.hypot(*between) * 2, np.hypot(*down) * 1.8)
    centre = middle + 0.1 * down
    angle = np.arctan2(axis[1], axis[0]) + np.radians(view.roll)
    zoom = view.zoom / (2 * np.hypot(*axis))
    linear = zoom * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shift = np.array([0.5 + view.shift_x, 0.5 + view.shift_y]) - linear @ centre
    return np.column_stack([linear, shift])
