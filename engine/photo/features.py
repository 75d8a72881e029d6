"""From a photograph to what the prior is fitted on: shape, colours and detail of one face."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.geometry.landmarks import COUNT
from engine.photo.bands import log_energy
from engine.photo.frame import (
    EYE_DISTANCE,
    HEIGHT,
    WIDTH,
    Floats,
    Pixels,
    Similarity,
    aligned,
    coordinate_map,
    extended,
    sampled,
    similarity,
)
from engine.photo.masks import FEWEST, FaceMasks, face_masks

COLOUR_SIZE = (WIDTH // 2, HEIGHT // 2)
CELLS = (WIDTH // 4, HEIGHT // 4)
CODE_GRID = (16, 20)
"""Cells (across, down) of the lightness that the appearance code reads."""
NUISANCES = ("sharpness", "smile", "open mouth", "turn", "nod", "side light", "top light")


@dataclass(frozen=True, slots=True, eq=False)
class FaceView:
    """One face in the aligned frame: the similarity to it, points (73, 2), Lab (320, 256, 3)."""

    to_frame: Similarity
    points: Floats
    lab: Floats
    masks: FaceMasks


@dataclass(frozen=True, slots=True, eq=False)
class FaceFeatures:
    """What is measured of one face.

    shape: (73, 2) in the aligned frame; colour: Lab less that of the cheeks, (160, 128, 3), and its
    skin mask (160, 128); detail: log energy (80, 64, 4); hair: mean Lab of the scalp hair and the
    pixels it was seen on; nuisance: (7,), see NUISANCES; code: inputs of the appearance code.
    """

    shape: Floats
    colour: Floats
    skin: Floats
    detail: Floats
    hair: Floats
    hair_pixels: float
    nuisance: Floats
    code: Floats


def view_of(
    pixels: Pixels,
    landmarks: NDArray[np.floating],
    mean_points: Floats,
    person: NDArray[np.floating] | None = None,
) -> FaceView:
    """Bring a photograph (h, w, 3) and its landmarks (68, 2) to the aligned frame.

    person: (h, w) in 0..1 at the size of the photograph, where a network made one.
    """
    to_frame = similarity(landmarks, mean_points[:COUNT])
    points = to_frame.points(extended(landmarks))
    lab = lab_of(aligned(pixels, to_frame))
    mask = None
    if person is not None:
        mask = np.clip(aligned(np.asarray(person, np.float32)[..., None], to_frame), 0, 1)
    return FaceView(to_frame, points, lab, face_masks(lab, points, mask))


def features_of(view: FaceView, mean_points: Floats) -> FaceFeatures:
    """Measure one face in the mean frame."""
    to_mean = coordinate_map(mean_points, view.points)
    lab = sampled(view.lab, to_mean, cubic=True)
    skin = sampled(view.masks.skin * (1 - view.masks.frames), to_mean)
    relative = lab - view.masks.skin_colour
    colour = cv2.resize(relative, COLOUR_SIZE, interpolation=cv2.INTER_AREA)
    hair, count = _scalp_hair(view)
    return FaceFeatures(
        shape=view.points,
        colour=np.asarray(colour, np.float32),
        skin=np.asarray(cv2.resize(skin, COLOUR_SIZE, interpolation=cv2.INTER_AREA), np.float32),
        detail=log_energy(lab[..., 0]),
        hair=hair,
        hair_pixels=count,
        nuisance=_nuisance(view),
        code=code_inputs(view, to_mean),
    )


def code_inputs(view: FaceView, to_mean: Floats) -> Floats:
    """What the appearance code reads: shape, and lightness relative to the cheeks, (466,)."""
    light = sampled(view.lab[..., 0], to_mean) - view.masks.skin_colour[0]
    grid = cv2.resize(light, CODE_GRID, interpolation=cv2.INTER_AREA)
    return np.concatenate([view.points.ravel() / 4, grid.ravel() / 25]).astype(np.float32)


def lab_of(picture: Floats) -> Floats:
    """Lab float32 of RGB (h, w, 3) in 0..255: L in 0..100."""
    levels = np.clip(np.asarray(picture, np.float32) / 255, 0, 1)
    return np.asarray(cv2.cvtColor(levels, cv2.COLOR_RGB2LAB))


def rgb_of(lab: Floats) -> Floats:
    """RGB float32 in 0..255 of Lab, clipped to what sRGB has."""
    return np.clip(np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)), 0, 1) * 255


def _scalp_hair(view: FaceView) -> tuple[Floats, float]:
    """The median Lab of scalp hair above the eyes, and the pixels it was measured on."""
    y = np.mgrid[0:HEIGHT, 0:WIDTH][0]
    where = (view.masks.hair > 0.6) & (y < view.points[27, 1])
    count = int(where.sum())
    if count < FEWEST:
        return np.zeros(3, np.float32), 0.0
    return np.median(view.lab[where], axis=0).astype(np.float32), float(count)


def _nuisance(view: FaceView) -> Floats:
    """What differs between two photographs of one person at one age."""
    points, lightness = view.points, view.lab[..., 0]
    left, right, top, bottom = (
        float(np.median(lightness[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5]))
        for x, y in (
            (points[2] + points[31]) / 2,
            (points[14] + points[35]) / 2,
            points[27] - [0, EYE_DISTANCE * 0.55],
            (points[8] + points[57]) / 2,
        )
    )
    return np.array(
        [
            np.log(view.to_frame.scale),
            (points[54, 0] - points[48, 0]) / EYE_DISTANCE,
            (points[65:68, 1] - points[61:64, 1]).mean() / EYE_DISTANCE,
            (points[30, 0] - (points[2, 0] + points[14, 0]) / 2) / EYE_DISTANCE,
            (points[30, 1] - points[27, 1]) / EYE_DISTANCE,
            (right - left) / 10,
            (top - bottom) / 10,
        ],
        np.float32,
    )
