"""What is computed once per photograph, whatever the number of target ages."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.photo.bands import CELL, blurred, detail_bands, log_energy
from engine.photo.creases import creases, level_of
from engine.photo.features import FaceView, code_inputs, lab_of, view_of
from engine.photo.frame import (
    HEIGHT,
    WIDTH,
    Floats,
    Pixels,
    Similarity,
    coordinate_map,
    sampled,
)
from engine.photo.masks import guided, reconstructed
from engine.photo.model import PhotoModel
from engine.photo.wrinkles import pattern_of

WORKING_SCALE = 2.4
"""Most pixels of the working copy per frame pixel: 130 px to the eye distance."""
RIM = 14.0
"""Frame pixels over which every change fades out at the rim of the frame."""
STRANDS = 2.0
"""Mean detail of L under which a surface of the lower face is no hair."""
LOWER = 12.0
"""Frame pixels under the eyes at which the lower face begins in full."""
CORE = 13
"""Frame pixels by which the forehead is narrower than to the hairline."""
FRINGE = 0.25
"""Share of the height of the forehead that white hair may cover and yet be smooth."""
ALIKE = (0.3, 0.6)
"""How much of a beard one side has for the other's, from which it is one, and surely."""
RIM_OF_HAIR = 3.0
"""Frame pixels that thin locks reach beyond the mask of the hair."""
BLOTCH = 4.0
"""Levels of a and b from which a colour beside skin is no blotch but something else."""
GREY_CHROMA = (0.8, 2.4)
"""Spread of a and b over the skin, in levels, of a toned picture and of a colour picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """Planes (h, w) in 0..1 of the working copy."""

    skin: Floats
    hair: Floats
    brows: Floats
    face: Floats
    fixed: Floats


@dataclass(frozen=True, eq=False)
class WorkingCopy:
    """The part of the photograph that may change, at up to WORKING_SCALE.

    box: left, top, right, bottom in the photograph; size: width, height here; per_frame: pixels
    here per frame pixel; to_frame: from here to the aligned frame; to_mean: (h, w, 2), where each
    pixel lies in the mean frame; rgb: the picture. What else a change is computed from is measured
    when it is first asked for: many frames of a clip need none of it. known_level,
    known_colourful: as measured of a whole shot, for a frame of a clip.
    """

    view: FaceView
    box: tuple[int, int, int, int]
    size: tuple[int, int]
    per_frame: float
    to_frame: Similarity
    to_mean: Floats
    rgb: Floats
    known_level: float | None = None
    known_colourful: float | None = None

    @cached_property
    def lab(self) -> Floats:
        """The picture in Lab."""
        return lab_of(self.rgb)

    @cached_property
    def bands(self) -> list[Floats]:
        """Its detail, finest first."""
        return detail_bands(self._light, self.per_frame)[0]

    @cached_property
    def layers(self) -> Layers:
        """Its masks."""
        return _layers(self.view, self.to_frame, self.lab, self.per_frame)

    @cached_property
    def creases(self) -> Floats:
        """Thin dark lines (h, w), 0..1."""
        return creases(self._light, self.per_frame, self.layers.skin, level=self.known_level)

    @cached_property
    def blotches(self) -> Floats:
        """Uneven a and b of the skin (h, w, 2)."""
        return _blotches(self.lab, self.layers.skin * (1 - self.layers.fixed), self.per_frame)

    @cached_property
    def colourful(self) -> float:
        """0 for a grey or toned picture, 1 for one in colour."""
        known = self.known_colourful
        return _colourful(self.lab, self.layers.skin) if known is None else known

    @property
    def crease_level(self) -> float | None:
        """How deep the lines of its skin typically are; None where it has no skin."""
        return level_of(self._light, self.per_frame, self.layers.skin)

    @property
    def _light(self) -> Floats:
        return np.ascontiguousarray(self.lab[..., 0])


@dataclass(frozen=True, slots=True, eq=False)
class PhotoSubject:
    """One face of one photograph, ready to be shown at any age.

    pattern: which lines it gets; from_mean: (320, 256, 2), where each pixel of the aligned frame
    lies in the mean frame, for a frame of a clip, whose triangles must not flip.
    """

    pixels: Pixels
    view: FaceView
    work: WorkingCopy
    code: float
    own_detail: Floats
    own_face: Floats
    movable: Floats
    model: PhotoModel
    pattern: int
    from_mean: Floats | None = None


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
    work = working_copy(pixels, view, from_mean)
    return PhotoSubject(
        pixels=pixels,
        view=view,
        work=work,
        code=code,
        own_face=sampled(view.masks.skin * view.masks.face, to_mean)[
            CELL // 2 :: CELL, CELL // 2 :: CELL
        ],
        own_detail=log_energy(sampled(view.lab[..., 0], to_mean, cubic=True)),
        movable=movable(view),
        model=model,
        pattern=pattern_of(view.points),
    )


def working_copy(
    pixels: Pixels,
    view: FaceView,
    from_mean: Floats,
    *,
    crease_level: float | None = None,
    colourful: float | None = None,
) -> WorkingCopy:
    """The head of a photograph (h, w, 3), given where its frame lies in the mean frame.

    crease_level, colourful: as measured of a whole shot, for a frame of a clip.
    """
    height, width = pixels.shape[:2]
    corners = np.array(
        [[0, 0], [WIDTH - 1, 0], [0, HEIGHT - 1], [WIDTH - 1, HEIGHT - 1]], np.float32
    )
    spots = view.to_frame.inverse().points(corners)
    left, top = np.clip(np.floor(spots.min(axis=0)).astype(int), 0, (width - 1, height - 1))
    right, bottom = np.clip(
        np.ceil(spots.max(axis=0)).astype(int) + 1, (left + 1, top + 1), (width, height)
    )
    part = pixels[top:bottom, left:right]
    shrink = min(1.0, WORKING_SCALE * view.to_frame.scale)
    size = max(round(part.shape[1] * shrink), 8), max(round(part.shape[0] * shrink), 8)
    small = part if shrink == 1.0 else cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    size = small.shape[1], small.shape[0]
    x, y = size[0] / part.shape[1], size[1] / part.shape[0]
    # From the working copy to the crop, to the photograph, to the frame.
    grow = np.array(
        [[1 / x, 0, (1 / x - 1) / 2 + left], [0, 1 / y, (1 / y - 1) / 2 + top], [0, 0, 1]]
    )
    to_frame = Similarity((view.to_frame.matrix.astype(np.float64) @ grow).astype(np.float32))
    return WorkingCopy(
        view=view,
        box=(int(left), int(top), int(right), int(bottom)),
        size=size,
        per_frame=1 / to_frame.scale,
        to_frame=to_frame,
        to_mean=frame_to_work(from_mean, to_frame, size),
        rgb=small.astype(np.float32),
        known_level=crease_level,
        known_colourful=colourful,
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
    hair = hair * (1 - _bare_skin(view, to_frame, lab, hair, planes[..., 3], per_frame))
    behind = (np.maximum(person, skin) < 0.08) & (hair < 0.08)
    beside = (skin > 0.6) & (hair < 0.3)
    for other in (behind, beside):
        share, trust = _matte(lab, hair, other.astype(np.float32), per_frame)
        if other is behind:  # masks end before thin locks do
            rim = trust * _beyond(hair, per_frame) * (1 - np.maximum(skin, planes[..., 3]))
            hair = np.maximum(hair, rim * share)
            person = np.maximum(person, rim * share)
        hair = np.minimum(hair, 1 + (share - 1) * trust)
    total = np.maximum(skin + hair, 1)
    fixed = np.clip(np.maximum(np.maximum(others[..., 0], others[..., 1]), others[..., 2]), 0, 1)
    return Layers(
        skin=skin / total * person * (1 - 0.85 * planes[..., 2]),
        hair=hair / total * person,
        brows=planes[..., 2],
        face=planes[..., 3],
        fixed=fixed,
    )


def _bare_skin(
    view: FaceView, to_frame: Similarity, lab: Floats, hair: Floats, face: Floats, per_frame: float
) -> Floats:
    """Where what passes for hair on the face (h, w) is skin, 0..1.

    A highlight on the forehead is as light as white hair, and the side that light leaves out as
    dark as a beard; but skin is smooth, and beards grow on both sides.
    """
    light, points = np.ascontiguousarray(lab[..., 0]), view.points
    strands = blurred(np.abs(light - blurred(light, 2.0 * per_frame)), 3.0 * per_frame)
    smooth = np.exp(-((strands / STRANDS) ** 4))
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    below = np.clip((y - points[36:48, 1].max()) / LOWER, 0, 1) * (y < points[8, 1] + LOWER)
    side = np.where(x < np.interp(y, points[[27, 30, 8], 1], points[[27, 30, 8], 0]), 1.0, 0.0)
    planes = np.dstack([below, below * side]).astype(np.float32)
    lower, left = np.moveaxis(frame_to_work(planes, to_frame, light.shape[::-1]), -1, 0)
    shares = [
        float((hair * face * half).sum() / max(float(half.sum()), 1.0))
        for half in (left, lower - left)
    ]
    low, high = ALIKE
    alike = np.clip((min(shares) / max(max(shares), 1e-3) - low) / (high - low), 0, 1)
    beard = lower * np.maximum(smooth * face, 1 - float(alike))
    forehead = _forehead(view)
    top, brows = float(points[68:73, 1].min()), float(points[17:27, 1].min())
    fringe = np.clip((y - top) / (brows - top) / FRINGE - 1, 0, 1)
    planes = np.dstack([_islands(view, forehead), blurred(forehead * fringe, CORE / 2)])
    islands, core = np.moveaxis(frame_to_work(planes, to_frame, light.shape[::-1]), -1, 0)
    core = np.clip(2 * core - 1, 0, 1) * smooth
    return np.maximum(beard, np.maximum(islands, core)).astype(np.float32)


def _forehead(view: FaceView) -> Floats:
    """1 on the forehead (320, 256), well within the hairline."""
    face = (view.masks.face > 0.5).astype(np.float32)
    face[round(float(view.points[27, 1])) :] = 0
    return cv2.erode(face, np.ones((CORE, CORE), np.uint8), borderValue=0)


def _islands(view: FaceView, forehead: Floats) -> Floats:
    """Share of the hair on the forehead (320, 256) that stands out there, apart from all other."""
    hair = view.masks.hair
    grown = reconstructed(np.where(forehead > 0, 0, hair).astype(np.float32), hair)
    apart = 1 - grown / np.maximum(hair, 1e-3)
    return np.where(hair > 0.05, np.clip(apart, 0, 1), 0).astype(np.float32)


def _beyond(hair: Floats, per_frame: float) -> Floats:
    """1 on hair (h, w) and close about it, falling to 0."""
    side = 2 * round(RIM_OF_HAIR * per_frame) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return blurred(cv2.dilate((hair > 0.5).astype(np.float32), kernel), 0.5 * per_frame)


def _matte(lab: Floats, hair: Floats, other: Floats, per_frame: float) -> tuple[Floats, Floats]:
    """How much of each pixel (h, w) is hair and not background or skin, `other`, by its colour;
    and how far that is to be trusted, 0..1.

    A pixel on the rim lies between the mean colours of the hair and of the other nearby; its share
    of hair is its place on the line between them. Where the two are alike the mask stays.
    """
    light = lab * np.array([1.0, 1.5, 1.5], np.float32)
    sigma = 7.0 * per_frame
    back, back_weight = _local_mean(light, other, sigma)
    front, front_weight = _local_mean(light, (hair > 0.9).astype(np.float32), sigma)
    line = front - back
    length = np.einsum("hwc,hwc->hw", line, line)
    share = np.einsum("hwc,hwc->hw", light - back, line) / np.maximum(length, 1.0)
    share = np.clip(share, 0, 1)
    # Trust it near both, and where they differ by more than noise.
    trust = np.clip(back_weight * 20, 0, 1) * np.clip(front_weight * 20, 0, 1)
    trust = trust * np.clip((np.sqrt(length) - 8) / 10, 0, 1)
    return np.clip(share * 1.15 - 0.1, 0, 1).astype(np.float32), trust.astype(np.float32)


def _local_mean(values: Floats, weights: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Means (h, w, 3) of values about each pixel under weights (h, w), and the blurred weights."""
    total = blurred(weights, sigma)
    mean = blurred(values * weights[..., None], sigma) / np.maximum(total, 1e-4)[..., None]
    return mean, total


def _colourful(lab: Floats, skin: Floats) -> float:
    """0 for a grey or evenly toned picture, 1 for a colour photograph."""
    where = skin > 0.5
    if not where.any():
        return 1.0
    a, b = (lab[..., c] - np.median(lab[..., c]) for c in (1, 2))
    spread = float(np.hypot(a, b)[where].mean())
    low, high = GREY_CHROMA
    return float(np.clip((spread - low) / (high - low), 0, 1))


def _blotches(lab: Floats, skin: Floats, per_frame: float) -> Floats:
    """How far a and b of skin (h, w, 2) are from those about them: redness, spots, stubble."""
    colours = np.ascontiguousarray(lab[..., 1:])
    around, _ = _local_mean(colours, skin, 7.0 * per_frame)
    apart = blurred(colours, 0.8 * per_frame) - around
    return np.asarray(BLOTCH * np.tanh(apart / BLOTCH) * skin[..., None], np.float32)


def movable(view: FaceView) -> Floats:
    """Where the picture may be bent: (320, 256), the person and a soft rim about them."""
    masks = view.masks
    inside = np.maximum(np.maximum(masks.skin, masks.hair), masks.face)
    wide = cv2.dilate(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))
    return np.clip(cv2.GaussianBlur(wide, (0, 0), 4.0) * 1.1, 0, 1).astype(np.float32) * rim_fade()
