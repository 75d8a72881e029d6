"""Composites: faces of nobody in particular, the means of many portraits.

Portraits are brought to the mean of their landmarks, then to each other by optical flow, round by
round against their own mean (Kemelmacher-Shlizerman and Seitz 2012). Averaging blurs, so the finest
bands of the mean are made as strong as they are in its members (Tiddeman, Burt and Perrett 2001).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.faces.descriptor import describe_face
from engine.faces.detect import Face, FaceFinder
from engine.photo.features import features_of, view_of
from engine.photo.frame import (
    HEIGHT,
    WIDTH,
    coordinate_map,
    enlarged,
    extended,
    mean_shape,
    similarity,
)
from engine.photo.masks import guided
from evaluation.photos.portraits import Portrait

SCALE = 2
"""Pixels of the composite per frame pixel: 108 to the eye distance."""
LEAST_PEOPLE, LEAST_DISTANCE = 30, 0.5
"""How many portraits a composite needs, and its least dlib distance to each of them."""
MOST_YAW = 14.0
SMOOTHING = (16.0, 12.0, 8.0, 6.0)
"""Sigma in pixels of the flow, a round each."""
BANDS = (2.4, 4.8, 9.6)
STRENGTH = (0.8, 0.6, 0.3)
"""Sigma of the bands that are made stronger, and how much of their loss is undone."""
PLATE = np.array([112, 132, 146], np.float32)
"""RGB of the plain background."""
EDGE = (0.45, 0.75)
"""Share of members in which somebody is there, from which the composite fades in."""
ROWS = slice(24, 616)
QUALITY = 92
Picture = NDArray[np.float32]


class Choice(NamedTuple):
    """Whose portraits: of a sex and an age; how plain glasses may be, and the share of people left
    out who have the least hair.
    """

    sex: str
    ages: tuple[float, float]
    glasses: float
    thin_hair: float


CHOICES = {
    "man": Choice("M", (36.0, 48.0), 0.05, 0.25),
    "woman": Choice("F", (36.0, 57.0), 0.11, 0.05),
}


def members(people: Sequence[Portrait], choice: Choice) -> list[Portrait]:
    """Frontal portraits for a composite, without glasses, with hair."""
    low, high = choice.ages
    chosen = [
        p
        for p in people
        if p.sex == choice.sex and low <= p.age <= high and abs(p.face.yaw) < MOST_YAW
    ]
    mean = mean_shape(np.stack([extended(p.face.landmarks) for p in chosen]))
    views = [view_of(p.pixels, p.face.landmarks, mean, p.mask) for p in chosen]
    hair = np.array([features_of(view, mean).hair_pixels for view in views])
    clear = np.array([view.masks.glasses for view in views]) < choice.glasses
    keep = clear & (hair > np.quantile(hair, choice.thin_hair))
    return [p for p, kept in zip(chosen, keep, strict=True) if kept]


def composite(people: Sequence[Portrait]) -> NDArray[np.uint8]:
    """The mean face (592, 512, 3) of at least 30 portraits, on a plain background."""
    if len(people) < LEAST_PEOPLE:
        raise ValueError(f"a composite needs {LEAST_PEOPLE} people, these are {len(people)}")
    mean = mean_shape(np.stack([extended(p.face.landmarks) for p in people]))
    stack = _matched(np.stack([_warped(p, mean) for p in people]))
    share = stack[..., 3:] / 255
    light = stack[..., :3] - PLATE * (1 - share)
    front = light.sum(axis=0) / np.maximum(share.sum(axis=0), 1e-3)
    there = np.clip(share.mean(axis=0), 0, 1)
    sharp = _sharpened(light + front * (1 - share))
    above_collar = np.clip((0.8 - np.linspace(0, 1, len(front))) / 0.06, 0, 1)[:, None, None]
    front = front + (sharp - front) * above_collar
    # Where hair is on one side only, the other side lends its own.
    lent = np.clip((0.92 - there) / 0.25, 0, 1) * there[:, ::-1]
    front = (front * there + front[:, ::-1] * lent) / (there + lent + 1e-6)
    there = np.maximum(there, (there + there[:, ::-1]) / 2)
    soft = cv2.GaussianBlur(np.ascontiguousarray(there[..., 0]), (0, 0), 2.0)
    alpha = np.clip((soft - EDGE[0]) / (EDGE[1] - EDGE[0]), 0, 1)
    alpha = (alpha * alpha * (3 - 2 * alpha))[..., None]
    picture = front * alpha + _background() * (1 - alpha)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)[ROWS]


def likeness(picture: NDArray[np.uint8], people: Sequence[Portrait]) -> NDArray[np.float64]:
    """dlib distances (n,) of a composite to each of its members."""
    face: Face = FaceFinder().find(picture, every=False)[0]
    own = describe_face(picture, face)
    return np.array([np.linalg.norm(own - describe_face(p.pixels, p.face)) for p in people])


def save_composite(path: Path, picture: NDArray[np.uint8], card: str) -> None:
    """Write a JPEG with its card as comment."""
    Image.fromarray(picture).save(path, quality=QUALITY, comment=card.encode())


def _warped(p: Portrait, mean: Picture) -> Picture:
    """A portrait on the plain background in the mean frame, and its mask: (640, 512, 4)."""
    to_frame = similarity(p.face.landmarks, mean[:68])
    points = to_frame.points(extended(p.face.landmarks))
    where = enlarged(coordinate_map(mean, points), (WIDTH * SCALE, HEIGHT * SCALE))
    back = to_frame.inverse().matrix
    source = where @ back[:, :2].T + back[:, 2]
    x, y = (np.ascontiguousarray(source[..., axis], np.float32) for axis in (0, 1))
    grey = cv2.cvtColor(p.pixels, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    share = cv2.remap(guided(grey, p.mask, 3), x, y, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    share = np.clip((share - 0.25) / 0.55, 0, 1)[..., None]
    pixels = p.pixels.astype(np.float32)
    picture = _moved(pixels, x, y)
    return np.dstack([picture * share + PLATE * (1 - share), share * 255]).astype(np.float32)


def _matched(stack: Picture) -> Picture:
    """Pictures (n, h, w, 4) moved onto their common mean by optical flow."""
    flow: Any = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    plain, moved = [_levelled(picture) for picture in stack], stack
    height, width = stack.shape[1:3]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    for sigma in SMOOTHING:
        goal = _levelled(moved.mean(axis=0))
        steps = [cv2.GaussianBlur(flow.calc(goal, one, None), (0, 0), sigma) for one in plain]
        middle = np.mean(steps, axis=0)
        offsets = [step - middle for step in steps]
        moved = np.stack(
            [
                _moved(picture, x + by[..., 0], y + by[..., 1])
                for picture, by in zip(stack, offsets, strict=True)
            ]
        )
    return moved


def _moved(picture: Picture, x: Picture, y: Picture) -> Picture:
    """A picture (h, w, c) read at (x, y); beyond its rim it goes on."""
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_CUBIC, None, cv2.BORDER_REPLICATE))


def _levelled(picture: Picture) -> NDArray[np.uint8]:
    """Grey (h, w) with the light and the contrast of every neighbourhood made alike."""
    rgb = np.clip(picture[..., :3], 0, 255).astype(np.uint8)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    rest = grey - cv2.GaussianBlur(grey, (0, 0), 24)
    contrast = np.sqrt(cv2.GaussianBlur(rest * rest, (0, 0), 24)) + 8
    return np.clip(128 + rest / contrast * 45, 0, 255).astype(np.uint8)


def _sharpened(stack: Picture) -> Picture:
    """The mean of pictures (n, h, w, 3) with bands about as strong as theirs."""
    current, members_now = stack.mean(axis=0), list(stack)
    result = np.zeros_like(current)
    for sigma, strength in zip(BANDS, STRENGTH, strict=True):
        soft = cv2.GaussianBlur(current, (0, 0), sigma)
        softer = [cv2.GaussianBlur(one, (0, 0), sigma) for one in members_now]
        usual = np.mean(
            [_energy(one - low) for one, low in zip(members_now, softer, strict=True)], axis=0
        )
        band = current - soft
        factor = np.clip(usual / (_energy(band) + 0.3), 1, 4) ** strength
        result += band * factor[..., None]
        current, members_now = soft, softer
    return result + current


def _energy(band: Picture) -> Picture:
    return np.asarray(cv2.GaussianBlur(np.abs(band.mean(axis=-1)), (0, 0), 16.0))


def _background() -> Picture:
    """The plate (640, 512, 3), a little darker towards its rim."""
    y = np.linspace(-0.9, 0.9, HEIGHT * SCALE)[:, None]
    x = np.linspace(-1, 1, WIDTH * SCALE)[None]
    return (PLATE * (1.06 - 0.16 * np.clip(np.hypot(x, y), 0, 1.3))[..., None]).astype(np.float32)
