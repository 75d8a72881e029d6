"""A drawn face with 68 landmarks, and a small made-up prior that moves everything."""

import cv2
import numpy as np
import pytest

from engine.photo.features import CELLS, COLOUR_SIZE
from engine.photo.frame import extended, mean_shape
from engine.photo.model import CODES, SHAPES, PhotoModel

SKIN, DARK_SKIN, HAIR, BACKDROP = (205, 160, 135), (92, 62, 48), (60, 42, 30), (90, 120, 160)


def face_landmarks(centre=(130.0, 150.0), size=60.0):
    """68 points (68, 2) of a frontal face whose eyes are `size` pixels apart."""
    u = np.linspace(-1, 1, 17)
    jaw = np.column_stack([1.22 * np.sin(u * 1.45) / np.sin(1.45), 1.95 - 1.95 * np.abs(u) ** 2.2])
    jaw[:, 1] = np.where(np.abs(u) > 0.98, 0.0, jaw[:, 1])
    brow = np.column_stack(
        [np.linspace(-0.85, -0.2, 5), -0.32 - 0.08 * np.sin(np.linspace(0, 3.1, 5))]
    )
    bridge = np.column_stack([np.zeros(4), np.linspace(0, 0.65, 4)])
    base = np.column_stack(
        [np.linspace(-0.25, 0.25, 5), 0.78 - 0.05 * np.abs(np.linspace(-1, 1, 5))]
    )
    ring = np.radians([180, 240, 300, 0, 60, 120])
    eye = np.column_stack([0.2 * np.cos(ring), 0.08 * np.sin(ring)])
    outer = np.radians(np.arange(180, 540, 30))
    inner = np.radians(np.arange(180, 540, 45))
    mouth = np.vstack(
        [
            np.column_stack([0.45 * np.cos(outer), 0.16 * np.sin(outer)]),
            np.column_stack([0.36 * np.cos(inner), 0.05 * np.sin(inner)]),
        ]
    )
    unit = np.vstack(
        [
            jaw,
            brow,
            brow[::-1] * [-1, 1],
            bridge,
            base,
            eye - [0.5, 0],
            eye + np.array([0.5, 0]),
            mouth + np.array([0, 1.2]),
        ]
    )
    return (unit * size + centre).astype(np.float32)


def drawn_portrait(skin=SKIN, size=60.0, centre=(130.0, 150.0), shape=(340, 260), seed=0):
    """(h, w, 3) uint8: a backdrop, hair, a face with eyes and mouth, grain; and its landmarks."""
    points = face_landmarks(centre, size)
    picture = np.empty((*shape, 3), np.uint8)
    picture[:] = BACKDROP
    x, y = (round(v) for v in centre)
    cv2.ellipse(
        picture,
        (x, round(y - 0.1 * size)),
        (round(1.45 * size), round(1.6 * size)),
        0,
        180,
        360,
        HAIR,
        -1,
    )
    cv2.ellipse(
        picture,
        (x, round(y + 0.45 * size)),
        (round(1.2 * size), round(1.55 * size)),
        0,
        0,
        360,
        skin,
        -1,
    )
    for eye in (points[36:42], points[42:48]):
        cv2.fillPoly(picture, [np.round(eye).astype(np.int32)], (235, 235, 235))
    cv2.fillPoly(picture, [np.round(points[48:60]).astype(np.int32)], (170, 80, 80))
    noise = np.random.default_rng(seed).normal(0, 4, (*shape, 1))
    rows = np.mgrid[0 : shape[0], 0 : shape[1]][0][..., None] / shape[0]
    return np.clip(picture + noise - 12 * rows, 0, 255).astype(np.uint8), points


def small_model():
    """A prior whose every part changes with age, smoothly and by amounts that faces have."""
    generator = np.random.default_rng(7)
    shape = np.zeros((6, 73, 2), np.float32)
    mean = mean_shape(np.stack([extended(face_landmarks())]))
    shape[0] = mean
    shape[[1, 2, 4]] = generator.normal(0, 0.4, (3, 73, 2))
    colour = np.zeros((6, COLOUR_SIZE[1], COLOUR_SIZE[0], 3), np.float32)
    x, y = np.meshgrid(np.linspace(-3, 3, COLOUR_SIZE[0]), np.linspace(-3, 3, COLOUR_SIZE[1]))
    colour[1] = 2.0 * np.cos(3 * x + y)[..., None] * np.float32([1, 0.5, 0.5]) + np.float32(
        [2, 1, 1]
    )
    detail = np.zeros((6, CELLS[1], CELLS[0], 4), np.float32)
    detail[1] = (0.12, 0.08, 0.0, 0.0)
    hair = np.float32([[35, 6, 10], [12, -1, -1], [1, 0, 0], [0, 0, 0], [-2, 0, 0], [0, 0, 0]])
    return PhotoModel(
        mean_points=mean,
        shape=shape,
        colour=colour,
        detail=detail,
        hair=hair,
        code=generator.normal(0, 0.01, CODES + 1).astype(np.float32),
        gain=np.full(SHAPES["gain"], 2.0, np.float32),
    )


@pytest.fixture
def portrait():
    return drawn_portrait()


@pytest.fixture
def dark_portrait():
    return drawn_portrait(DARK_SKIN)


@pytest.fixture(scope="session")
def model():
    return small_model()
