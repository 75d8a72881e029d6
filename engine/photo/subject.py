"""What is computed once per photograph, whatever the number of target ages."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.photo.bands import detail_bands
from engine.photo.features import FaceView, code_inputs, lab_of, view_of
from engine.photo.frame import (
    HEIGHT,
    WIDTH,
    Floats,
    Pixels,
    Similarity,
    coordinate_map,
    enlarged,
)
from engine.photo.masks import guided
from engine.photo.model import PhotoModel

WORKING_SCALE = 2.4
"""Most pixels of the working copy per frame pixel: 130 px to the eye distance."""
RIM = 14.0
"""Frame pixels over which every change fades out at the rim of the frame."""
GREY_CHROMA = (0.8, 2.4)
"""Spread of a and b over the skin, in levels, of a grey or toned picture and of a colour picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """Planes (h, w) in 0..1 of the working copy."""

    skin: Floats
    hair: Floats
    brows: Floats
    face: Floats
    fixed: Floats


@dataclass(frozen=True, slots=True, eq=False)
class WorkingCopy:
    """The part of the photograph that may change, at up to WORKING_SCALE.

    box: left, top, right, bottom in the photograph; size: width, height here; per_frame: pixels here
    per frame pixel; to_frame: from here to the aligned frame; to_mean: (h, w, 2), where each pixel
    lies in the mean frame; rgb, lab, bands, blur: the picture, and its detail.
    """

    box: tuple[int, int, int, int]
    size: tuple[int, int]
    per_frame: float
    to_frame: Similarity
    to_mean: Floats
    rgb: Floats
    lab: Floats
    bands: list[Floats]
    layers: Layers
    colourful: float


@dataclass(frozen=True, slots=True, eq=False)
class PhotoSubject:
    """One face of one photograph, ready to be shown at any age."""

    pixels: Pixels
    view: FaceView
    work: WorkingCopy
    code: float
    own_detail: Floats
    movable: Floats
    model: PhotoModel


def prepare_subject(
    pixels: Pixels,
    landmarks: NDArray[np.floating],
    model: PhotoModel,
    *,
    person: NDArray[np.floating] | None = None,
    appearance: float | None = None,
) -> PhotoSubject:
    """Measure a photograph (h, w, 3) uint8 RGB with landmarks (68, 2) once for all ages.

    person: an optional mask (h, w) in 0..1 of who is in the picture; appearance: the code in -1..1,
    where the person does not want it to be read off the picture.
    """
    view = view_of(pixels, landmarks, model.mean_points, person)
    to_mean = coordinate_map(model.mean_points, view.points)
    code = model.appearance(code_inputs(view, to_mean)) if appearance is None else appearance
    from_mean = coordinate_map(view.points, model.mean_points)
    work = _working_copy(pixels, view, from_mean)
    return PhotoSubject(
        pixels=pixels,
        view=view,
        work=work,
        code=code,
        own_detail=np.zeros(0, np.float32),
        movable=_movable(view),
        model=model,
    )


def _working_copy(pixels: Pixels, view: FaceView, from_mean: Floats) -> WorkingCopy:
    height, width = pixels.shape[:2]
    corners = np.float32([[0, 0], [WIDTH - 1, 0], [0, HEIGHT - 1], [WIDTH - 1, HEIGHT - 1]])
    spots = view.to_frame.inverse().points(corners)
    left, top = np.clip(np.floor(spots.min(axis=0)).astype(int), 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(spots.max(axis=0)).astype(int) + 1, (left + 1, top + 1), (width, height))
    part = pixels[top:bottom, left:right]
    shrink = min(1.0, WORKING_SCALE * view.to_frame.scale)
    size = max(round(part.shape[1] * shrink), 8), max(round(part.shape[0] * shrink), 8)
    small = part if shrink == 1.0 else cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    size = small.shape[1], small.shape[0]
    x, y = size[0] / part.shape[1], size[1] / part.shape[0]
    # From the working copy to the crop, to the photograph, to the frame.
    grow = np.array([[1 / x, 0, (1 / x - 1) / 2 + left], [0, 1 / y, (1 / y - 1) / 2 + top], [0, 0, 1]])
    to_frame = Similarity((view.to_frame.matrix.astype(np.float64) @ grow).astype(np.float32))
    rgb = small.astype(np.float32)
    lab = lab_of(rgb)
    per_frame = 1 / to_frame.scale
    bands, _ = detail_bands(np.ascontiguousarray(lab[..., 0]), per_frame)
    layers = _layers(view, to_frame, lab, per_frame)
    return WorkingCopy(
        box=(int(left), int(top), int(right), int(bottom)),
        size=size,
        per_frame=per_frame,
        to_frame=to_frame,
        to_mean=frame_to_work(from_mean, to_frame, size),
        rgb=rgb,
        lab=lab,
        bands=bands,
        layers=layers,
        colourful=_colourful(lab, layers.skin),
    )


def frame_to_work(plane: Floats, to_frame: Similarity, size: tuple[int, int]) -> Floats:
    """A plane (320, 256) or (320, 256, c) of the aligned frame at the working copy's pixels."""
    return np.asarray(
        cv2.warpAffine(
            plane,
            to_frame.matrix,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    )


def rim_fade() -> Floats:
    """1 inside the frame, falling to 0 at its rim: (320, 256)."""
    x = np.minimum(np.arange(WIDTH), np.arange(WIDTH)[::-1]) / RIM
    y = np.minimum(np.arange(HEIGHT), np.arange(HEIGHT)[::-1]) / RIM
    ramp = np.clip(np.minimum(x[None], y[:, None]), 0, 1).astype(np.float32)
    return ramp * ramp * (3 - 2 * ramp)


def _layers(view: FaceView, to_frame: Similarity, lab: Floats, per_frame: float) -> Layers:
    """Masks at working resolution, with their edges where the picture has them."""
    masks, size = view.masks, (lab.shape[1], lab.shape[0])
    fade = rim_fade()
    stack = np.dstack([masks.skin * fade, masks.hair * fade, masks.brows, masks.face])
    planes = frame_to_work(np.ascontiguousarray(stack), to_frame, size)
    others = frame_to_work(
        np.ascontiguousarray(np.dstack([masks.eyes, masks.mouth, masks.frames, masks.person])),
        to_frame,
        size,
    )
    light = np.ascontiguousarray(lab[..., 0]) / 100
    radius = max(round(4 * per_frame), 2)
    skin, hair, person = (
        guided(light, np.ascontiguousarray(plane), radius)
        for plane in (planes[..., 0], planes[..., 1], others[..., 3])
    )
    total = np.maximum(skin + hair, 1)
    fixed = np.clip(np.maximum(np.maximum(others[..., 0], others[..., 1]), others[..., 2]), 0, 1)
    return Layers(
        skin=skin / total * person,
        hair=hair / total * person,
        brows=planes[..., 2],
        face=planes[..., 3],
        fixed=fixed,
    )


def _colourful(lab: Floats, skin: Floats) -> float:
    """0 for a grey or evenly toned picture, 1 for a colour photograph."""
    where = skin > 0.5
    if not where.any():
        return 1.0
    a, b = (lab[..., c] - np.median(lab[..., c]) for c in (1, 2))
    spread = float(np.hypot(a, b)[where].mean())
    low, high = GREY_CHROMA
    return float(np.clip((spread - low) / (high - low), 0, 1))


def _movable(view: FaceView) -> Floats:
    """Where the picture may be bent: (320, 256), the person and a soft rim about them."""
    masks = view.masks
    inside = np.maximum(np.maximum(masks.skin, masks.hair), masks.face)
    wide = cv2.dilate(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))
    return np.clip(cv2.GaussianBlur(wide, (0, 0), 4.0) * 1.1, 0, 1).astype(np.float32) * rim_fade()
