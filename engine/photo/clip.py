"""One face in the frames of a shot: what is measured once for all of them, and each frame.

A photograph decides by its own pixels how sharp its skin is, how deep its creases are, whether
glasses are worn. In a clip such numbers would differ from frame to frame, and the picture would
flicker: they are measured on several frames, and their means hold for the shot.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.geometry.landmarks import COUNT
from engine.photo.ageing import AgeChange
from engine.photo.features import FaceView, view_of
from engine.photo.frame import (
    HEIGHT,
    WIDTH,
    Floats,
    Pixels,
    extended,
    sampled,
    similarity,
    steady_map,
    triangles_of,
)
from engine.photo.masks import FaceMasks
from engine.photo.model import PhotoModel
from engine.photo.outlines import feature_planes
from engine.photo.subject import (
    WORKING_SCALE,
    PhotoSubject,
    movable,
    prepare_subject,
    working_copy,
)
from engine.photo.wrinkles import pattern_of

PLANES = ("person", "skin", "hair", "frames")
"""Masks that are seen in a frame's pixels; the others follow from its points."""
DIGITS = 4
"""Binary digits of a frame pixel to which the outlines of brows, eyes, mouth and face are drawn."""
FINER = 0.5
"""Share of the change of detail finer than the working copy that frames take: there clips hold
little but grain, which would seethe."""
NO_LIGHT = np.zeros((0, 0, 3), np.float32)

Measures = Mapping[str, Floats]


@dataclass(frozen=True, slots=True, eq=False)
class ShotLook:
    """What is the same in every frame of a shot; fields as of `PhotoSubject` and its parts."""

    code: float
    pattern: int
    skin_colour: Floats
    hair_colour: Floats | None
    glasses: float
    colourful: float
    crease_level: float | None
    own_detail: Floats
    own_face: Floats

    @classmethod
    def of(cls, measures: Measures) -> "ShotLook":
        """From means of `measured`; what no frame had is NaN there."""

        def number(name: str) -> float | None:
            value = float(measures[name])
            return value if np.isfinite(value) else None

        hair = measures["hair_colour"]
        return cls(
            code=float(measures["code"]),
            pattern=pattern_of(measures["points"]),
            skin_colour=measures["skin_colour"],
            hair_colour=hair if np.isfinite(hair).all() else None,
            glasses=float(measures["glasses"]),
            colourful=float(measures["colourful"]),
            crease_level=number("crease_level"),
            own_detail=measures["own_detail"],
            own_face=measures["own_face"],
        )


def measured(
    pixels: Pixels,
    landmarks: NDArray[np.floating],
    model: PhotoModel,
    person: NDArray[np.floating],
) -> dict[str, Floats]:
    """What a frame (h, w, 3) with landmarks (68, 2) says of its shot, NaN where it says nothing.

    person: a mask (h, w) in 0..1 of who is in the frame.
    """
    subject = prepare_subject(pixels, landmarks, model, person=person)
    masks, work = subject.view.masks, subject.work
    hair = masks.hair_colour
    numbers = {
        "code": subject.code,
        "glasses": masks.glasses,
        "per_frame": work.per_frame,
        "colourful": work.colourful,
        "crease_level": np.nan if (level := work.crease_level) is None else level,
    }
    return {name: np.array(value, np.float32) for name, value in numbers.items()} | {
        "points": subject.view.points,
        "skin_colour": masks.skin_colour,
        "hair_colour": np.full(3, np.nan, np.float32) if hair is None else hair,
        "own_detail": subject.own_detail,
        "own_face": subject.own_face,
    }


def seen_planes(
    pixels: Pixels,
    landmarks: NDArray[np.floating],
    model: PhotoModel,
    person: NDArray[np.floating],
) -> Floats:
    """The masks PLANES (320, 256, 4) of a frame, to be averaged over frames."""
    masks = view_of(pixels, landmarks, model.mean_points, person).masks
    return np.dstack([getattr(masks, name) for name in PLANES])


def prepare_frame(
    pixels: Pixels,
    landmarks: NDArray[np.floating],
    model: PhotoModel,
    planes: Floats,
    look: ShotLook,
) -> PhotoSubject:
    """A frame (h, w, 3) with steady landmarks (68, 2) and planes (320, 256, 4), ready for any age.

    Its view has no light of its own: what would be read off it stands in the look.
    """
    to_frame = similarity(landmarks, model.mean_points[:COUNT])
    points = to_frame.points(extended(landmarks))
    brows, eyes, mouth, face = feature_planes(points, shift=DIGITS)
    person, skin, hair, frames = (np.ascontiguousarray(planes[..., k]) for k in range(len(PLANES)))
    masks = FaceMasks(
        person=person,
        skin=skin,
        hair=hair,
        brows=brows,
        eyes=eyes,
        mouth=mouth,
        face=face,
        frames=frames,
        glasses=look.glasses,
        skin_colour=look.skin_colour,
        hair_colour=look.hair_colour,
    )
    view = FaceView(to_frame, points, NO_LIGHT, masks)
    from_mean = steady_map(points, model.mean_points, _triangles(model.mean_points.tobytes()))
    work = working_copy(
        pixels, view, from_mean, crease_level=look.crease_level, colourful=look.colourful
    )
    return PhotoSubject(
        pixels=pixels,
        view=view,
        work=work,
        code=look.code,
        own_detail=look.own_detail,
        own_face=look.own_face,
        movable=movable(view),
        model=model,
        pattern=look.pattern,
        from_mean=from_mean,
    )


@cache
def _triangles(mean_points: bytes) -> NDArray[np.int32]:
    return triangles_of(np.frombuffer(mean_points, np.float32).reshape(-1, 2))


def shared_change(subject: PhotoSubject, change: AgeChange, scale: float) -> Floats:
    """A change's levels and finer detail (h, w, 4) in the mean frame, to be averaged over frames.

    scale: pixels of the result to one of the frame, the same for all that are averaged.

    There the same part of the face has the same place in every frame, so that grain, which has
    not, averages out, while skin and hair stay.
    """
    size = round(WIDTH * scale), round(HEIGHT * scale)
    here = steady_map(subject.model.mean_points, subject.view.points, _own_triangles(subject))
    inverse = subject.work.to_frame.inverse()
    places = inverse.points(here.reshape(-1, 2)).reshape(here.shape)
    where = cv2.resize(places, size, interpolation=cv2.INTER_LINEAR)
    both = np.dstack([change.levels, change.finer])
    return sampled(both, where).astype(np.float16)


def averaged_change(subject: PhotoSubject, offsets: Floats, shared: Floats) -> AgeChange:
    """A frame's change by its offsets of `age_offsets` and a mean of `shared_change`s."""
    scale = shared.shape[1] / WIDTH
    own = sampled(shared, (subject.work.to_mean + 0.5) * scale - 0.5)
    finer = 1 + FINER * (own[..., 3] - 1)
    return AgeChange(np.ascontiguousarray(own[..., :3]), np.ascontiguousarray(finer), offsets)


def shared_scale(measures: Measures) -> float:
    """The scale of `shared_change` for a clip, from the means of its `measured` frames."""
    return float(np.clip(1.15 * measures["per_frame"], 0.8, WORKING_SCALE))


def _own_triangles(subject: PhotoSubject) -> NDArray[np.int32]:
    return _triangles(subject.model.mean_points.tobytes())
