"""Showing a person at another age: the difference of two ages, on the photograph itself.

Shape moves by a warp, skin and hair change colour, and the photograph's own detail is made stronger
or weaker band by band (Burt and Perrett 1995; Tiddeman, Burt and Perrett 2001). Changes are
computed on a working copy of the head; only their smooth sum is enlarged, so that a large
photograph keeps every pixel of its own detail and costs little.
"""

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.photo.bands import CELL, blurred
from engine.photo.composing import compose
from engine.photo.features import rgb_of
from engine.photo.frame import HEIGHT, WIDTH, Floats, Pixels, coordinate_map, identity_map, sampled
from engine.photo.hair import hair_change
from engine.photo.model import PhotoModel, age_terms
from engine.photo.refining import refined
from engine.photo.subject import PhotoSubject, frame_to_work, prepare_subject
from engine.photo.wrinkles import line_field, missing_creases, zone_share

COMPLEXION = (0.7, 0.6, 0.6)
"""Share of the mean change of skin colour (L, a, b) that is left out: it is mostly the studio's."""
LARGEST_STEP, LARGEST_STEP_YOUNGER = (10.0, 4.5, 4.5), (10.0, 4.0, 4.0)
"""Levels of L, a and b towards which a change of skin colour saturates."""
BEYOND_FACE = 0.3
"""Share of the change of colour and detail on ears, neck, hands and a bald scalp."""
FOLD_COLOUR = (1.0, 0.2, 0.2)
"""Share of the gain of folds in L, a, b: folds are shadows; their tint is soon make-up."""
IN_BROWS = 0.5
"""Share of it on brows: they grow thin and pale, too."""
REFERENCE_SKIN = 66.0
"""L of the cheeks of the portraits: the changes of darker skin are smaller in proportion."""
MOST_DETAIL = (2.4, 3.8, 3.8, 1.5)
LEAST_DETAIL = (0.45, 0.28, 0.33, 0.92)
"""Bounds on the factors of the detail bands, finest first."""
SHARPER = 1.0
"""How much smaller the factors are for each unit of log detail over the usual."""
VALLEYS = 0.1
"""Creases are dark: valleys deepen by this share more than ridges rise."""
EDGE = 3.5
"""Levels of L from which detail is an edge, of a shadow or of the hair, that age leaves alone."""
CREASE_EDGE = 8.0
"""How much more of a crease than of other edges goes as a face becomes younger."""
BLOTCHES, BLOTCH_BOUNDS = 1.0, (-1.2, 0.2)
"""How skin's uneven colour follows the log factor of its fine detail, and the bounds of that."""
DEEPEN, SOFTEN, MOST_DEEPER = 0.5, 0.5, 1.2
"""Share by which the person's own creases deepen or vanish where lines belong, and the most."""
FADE = 0.5
"""Share by which creases anywhere on the skin fade in forty years."""
CREASES = 0.8
"""How much more of the detail's change falls on creases than on evenly grained skin."""
ABOUT_EYES = 2.2
"""Factor of the detail's change where networks see most of an age for the least change of the
person."""
ON_FOREHEAD = 0.35
"""Share of it where they see nothing of an age, and the shade of a fringe soon looks scratched."""
UNDER_EYES = 22.0
"""Frame pixels that the skin about the eyes reaches below them."""
HAIRY = 1.5
"""Mean L of the finest detail of hair over skin, such as a fringe or a beard, that hides lines."""
GREY_NECK = 0.3
"""Share of the lines of the neck in a photograph without colour."""
LIP_RIM, NOSE_RIM = 2.5, 4.0
"""Sigmas in frame pixels of the rims of what is about the lips and of the nose."""
NOSE_REACH = np.array([[0, 0], [0, 0], [8, 2], [-8, 2]], np.float32)
"""How far the nose reaches beyond the corners of the eyes and the nostrils."""
ASIDE, ON_NOSE, UNDER_LIP = 0.6, 0.7, 0.7
"""Share of the gain of folds away from the mouth, and what is left out of it on the nose and under
the lower lip."""
DEEPEST = 0.45
"""Share of the light about a line towards which its depth saturates."""
BROAD = 5.0
"""Sigma in cells of the colour maps, two frame pixels each."""


class AgeChange(NamedTuple):
    """What changes in a working copy: its levels (h, w, 3), the factor (h, w) of detail finer than
    it, and where its pixels come from: offsets (h, w, 2) in pixels of the photograph.
    """

    levels: Floats
    finer: Floats
    offsets: Floats


def age_photo(
    pixels: Pixels,
    landmarks: NDArray[np.floating],
    source_age: float,
    target_age: float,
    model: PhotoModel,
    *,
    strength: float = 1.0,
) -> Pixels:
    """The photograph (h, w, 3) with the face at landmarks (68, 2) shown at another age."""
    subject = prepare_subject(pixels, landmarks, model)
    return age_subject(subject, source_age, target_age, strength=strength)


def age_subject(
    subject: PhotoSubject, source_age: float, target_age: float, *, strength: float = 1.0
) -> Pixels:
    """The photograph (h, w, 3) of a prepared subject at another age; a new array."""
    if target_age == source_age or strength == 0:
        return subject.pixels.copy()
    return changed(subject, age_change(subject, source_age, target_age, strength=strength))


def age_change(
    subject: PhotoSubject, source_age: float, target_age: float, *, strength: float = 1.0
) -> AgeChange:
    """What another age changes in a photograph, at the size of its working copy."""
    ages = source_age, target_age
    gains = subject.model.gains(target_age > source_age, subject.code)
    change, factor = _changes(subject, ages, gains)
    moved = age_offsets(subject, source_age, target_age, strength=strength)
    if strength != 1:
        change, factor = change * strength, factor**strength
    return AgeChange(change, factor, moved)


def age_offsets(
    subject: PhotoSubject, source_age: float, target_age: float, *, strength: float = 1.0
) -> Floats:
    """The offsets of `age_change` alone, which need little of the working copy."""
    gains = subject.model.gains(target_age > source_age, subject.code)
    return _displacement(subject, (source_age, target_age), gains["shape"]) * np.float32(strength)


def changed(subject: PhotoSubject, change: AgeChange) -> Pixels:
    """The photograph (h, w, 3) of a subject with a change; a new array."""
    result = subject.pixels.copy()
    left, top, right, bottom = subject.work.box
    part = result[top:bottom, left:right]
    compose(part, subject.work.rgb, *change)
    return result


def _changes(
    subject: PhotoSubject, ages: tuple[float, float], gains: Mapping[str, float]
) -> tuple[Floats, Floats]:
    """The change of the working copy's RGB (h, w, 3) in levels, and the factor (h, w) of detail
    that is finer than the working copy.
    """
    work, lab = subject.work, subject.work.lab
    layers, older = work.layers, ages[1] > ages[0]
    result = lab + _skin_change(subject, ages, gains)
    result += hair_change(subject, ages, gains["hair"])
    factors = _detail_factors(subject, ages, gains["detail"])
    skin = layers.skin * (1 - layers.fixed)
    along = 1 - CREASES + 2 * CREASES * work.creases
    # Detail beside hair is the hairline, which would grow a halo; lines lie under a fringe.
    beside = np.clip(1 - 2 * blurred(layers.hair, 4.0 * work.per_frame), 0, 1)
    where = beside * (BEYOND_FACE + (1 - BEYOND_FACE) * layers.face)
    amount = (skin * along * where)[..., None]
    logs = factors * amount
    pattern = subject.pattern
    points = subject.model.mean_points
    near = zone_share(points, ages, pattern=pattern)
    share = _at_work(subject, near) * skin * beside
    deeper = np.where(share > 0, DEEPEN, SOFTEN) * share
    if not older:  # a young face has no creases, wherever they are
        deeper -= FADE * work.creases * skin * min((ages[0] - ages[1]) / 40, 1)
    own = np.log1p(np.clip(gains["lines"] * deeper, -0.9, MOST_DEEPER))
    edge = EDGE if older else EDGE + CREASE_EDGE * work.creases
    calm = _at_work(subject, _on_forehead(points)) if older else np.ones_like(own)
    finest = np.clip(logs[..., 0], np.log(LEAST_DETAIL[0]), np.log(MOST_DETAIL[0])) * calm
    for index, band in enumerate(work.bands):
        log = logs[..., index] * np.where(band < 0, 1 + VALLEYS, 1 - VALLEYS)
        if index < len(work.bands) - 1:
            log += np.where(band < 0, own, 0.5 * own)
        bounded = np.clip(log, np.log(LEAST_DETAIL[index]), np.log(MOST_DETAIL[index])) * calm
        result[..., 0] += edge * np.tanh(band / edge) * (np.exp(bounded) - 1)
    lines = gains["lines"] * _line_change(subject, ages) * skin * beside
    deepest = DEEPEST * np.maximum(
        blurred(np.ascontiguousarray(lab[..., 0]), 2.0 * work.per_frame), 0.5
    )
    result[..., 0] += deepest * np.tanh(lines / deepest)
    finest_logs = (logs[..., 0] + logs[..., 1]) / 2
    blotches = np.exp(np.clip(BLOTCHES * finest_logs, *BLOTCH_BOUNDS)) - 1
    result[..., 1:] += blotches[..., None] * work.blotches
    if older:  # age lightens nobody's skin, taken over all parts of the change
        lift = float(((result[..., 0] - lab[..., 0]) * skin).sum() / max(float(skin.sum()), 1.0))
        result[..., 0] -= max(lift, 0.0) * skin
    result[..., 0] = np.clip(result[..., 0], 0, 100)
    change = rgb_of(result) - rgb_of(lab)
    if work.colourful < 1:
        grey = change.mean(axis=-1, keepdims=True)
        change = grey + (change - grey) * work.colourful
    if subject.model.refiner is not None:
        until = subject.model.refined_until(*ages)
        change = refined(subject.model.refiner, work, change, (ages[0], until))
    return change, np.exp(finest).astype(np.float32)


def _skin_change(
    subject: PhotoSubject, ages: tuple[float, float], gains: Mapping[str, float]
) -> Floats:
    """The change of Lab (h, w, 3) of skin: where it lies on the face, not how dark the skin is."""
    work, layers = subject.work, subject.work.layers
    field = subject.model.difference("colour", *ages, subject.code)
    broad = blurred(field, BROAD)
    where = _with_folds(subject.model.mean_points, broad.shape[:2])
    mean_gain = min(gains["folds"], 1.0)
    folds = mean_gain + (gains["folds"] - mean_gain) * where * np.array(FOLD_COLOUR, np.float32)
    fine = field - broad
    older = ages[1] > ages[0]
    # Folds are shadows, which deepen or vanish. What vanishes with age is a beard's shade.
    shade = (fine[..., :1] < 0) == older
    beard = 0.0 if older else (float(np.clip(subject.code, -1, 1)) + 1) / 2
    folds = np.where(shade, folds, mean_gain + (folds - mean_gain) * beard)
    field = broad * gains["colour"] + fine * folds
    change = _at_work(subject, field)
    skin = np.maximum(layers.skin, IN_BROWS * layers.brows) * (1 - layers.fixed)
    mean = np.einsum("hwc,hw->c", change, skin) / max(float(skin.sum()), 1.0)
    change = change - np.array(COMPLEXION, np.float32) * mean
    change = change * skin[..., None] * (BEYOND_FACE + (1 - BEYOND_FACE) * layers.face)[..., None]
    change *= min(float(subject.view.masks.skin_colour[0]) / REFERENCE_SKIN, 1.1)
    largest = LARGEST_STEP if older else LARGEST_STEP_YOUNGER
    change = np.array(largest, np.float32) * np.tanh(change / np.array(largest, np.float32))
    room = np.where(change[..., 0] > 0, (98 - work.lab[..., 0]) / 16, (work.lab[..., 0] - 2) / 12)
    change[..., 0] *= np.clip(room, 0, 1)
    return change


def _with_folds(points: Floats, size: tuple[int, int]) -> Floats:
    """Where folds are made stronger than the mean: (height, width, 1) of the mean frame, 0..1.

    Most beside the mouth. Not on the forehead, which has none while the portraits have highlights
    there, nor over and under the lips, where their mean is the shade of a beard; little on the
    nose, by whose shading a person is known more than an age.
    """
    cell = HEIGHT / size[0]
    rows = (np.arange(size[0], dtype=np.float32) * cell)[:, None]
    below = _under_brows(points, size)
    mouth = np.clip(np.minimum(rows - points[33, 1], points[57, 1] + 8 - rows) / 8, 0, 1)
    lips = points[[32, 33, 34, 52, 51, 50]], points[[59, 58, 57, 56, 55, 9, 8, 7]]
    nose = points[[39, 42, 35, 31]] + NOSE_REACH
    less = (
        _zone(corners, size, sigma) * share
        for corners, sigma, share in (
            (lips[0], LIP_RIM, 1.0),
            (lips[1], LIP_RIM, UNDER_LIP),
            (nose, NOSE_RIM, ON_NOSE),
        )
    )
    where = below * (ASIDE + (1 - ASIDE) * mouth) * np.ones(size, np.float32)
    for zone in less:
        where *= 1 - zone
    return where[..., None].astype(np.float32)


def _zone(corners: Floats, size: tuple[int, int], sigma: float) -> Floats:
    """A polygon of the mean frame as a plane (height, width) in 0..1 with a soft rim."""
    cell, zone = HEIGHT / size[0], np.zeros(size, np.float32)
    spots = np.round((corners + 0.5) / cell - 0.5).astype(np.int32)
    cv2.fillPoly(zone, [spots], 1.0)
    return np.clip(1.6 * blurred(zone, sigma / cell), 0, 1)


def _line_change(subject: PhotoSubject, ages: tuple[float, float]) -> Floats:
    """The change of L (h, w) by lines that were not there: a share of the light about them."""
    model, work = subject.model, subject.work
    terms = age_terms(ages[1], subject.code)
    expected = np.tensordot(terms, model.detail, 1).astype(np.float32)
    room = missing_creases(subject.own_detail, expected, subject.own_face)
    # Lightness alone hardly tells a neck from what is behind it.
    neck = GREY_NECK + (1 - GREY_NECK) * work.colourful
    pattern = subject.pattern
    field = line_field(model.mean_points, ages, room, pattern=pattern, neck=neck)
    light = blurred(np.ascontiguousarray(work.lab[..., 0]), 2.0 * work.per_frame)
    strands = blurred(np.abs(work.bands[0]), 3.0 * work.per_frame) / HAIRY
    shade = np.clip(light / REFERENCE_SKIN, 0, 1.2)
    return _at_work(subject, field) * shade / (1 + strands**4)


def _detail_factors(subject: PhotoSubject, ages: tuple[float, float], gain: float) -> Floats:
    """The log factors (h, w, 4) of the detail bands.

    The portraits of the fit are softer than a good photograph, whose stronger detail would grow by
    more than skin ever does: there the factors are smaller.
    """
    model = subject.model
    field = gain * model.difference("detail", *ages, subject.code)
    if ages[1] > ages[0]:
        face = subject.own_face[..., None]
        usual = np.tensordot(age_terms(ages[0], subject.code), model.detail, 1)
        excess = ((subject.own_detail - usual) * face).sum(axis=(0, 1)) / max(face.sum(), 1e-6)
        field = field / (1 + SHARPER * np.maximum(excess, 0))
    return _at_work(subject, (field * _about_eyes(model.mean_points)).astype(np.float32))


def _about_eyes(points: Floats) -> Floats:
    """Factors of the detail's change by place: (80, 64, 1) of the mean frame."""
    under = points[[45, 36]] + np.array([[6, UNDER_EYES], [-6, UNDER_EYES]], np.float32)
    corners = np.vstack([points[[17, 19, 24, 26]], under])
    zone = _zone(corners, (HEIGHT // CELL, WIDTH // CELL), LIP_RIM)
    return (1 + (ABOUT_EYES - 1) * zone)[..., None]


def _on_forehead(points: Floats) -> Floats:
    """Shares of the detail's change by place: (80, 64) of the mean frame."""
    below = _under_brows(points, (HEIGHT // CELL, WIDTH // CELL))
    return np.repeat(ON_FOREHEAD + (1 - ON_FOREHEAD) * below, WIDTH // CELL, axis=1)


def _under_brows(points: Floats, size: tuple[int, int]) -> Floats:
    """1 below the forehead, falling to 0 on it: (height, 1) of the mean frame."""
    rows = (np.arange(size[0], dtype=np.float32) * (HEIGHT / size[0]))[:, None]
    return np.clip((rows - points[17:27, 1].min() + 4) / 8 + 0.5, 0, 1)


def _at_work(subject: PhotoSubject, field: Floats) -> Floats:
    """A field (h', w', c) of the mean frame at the working copy's pixels."""
    scale = WIDTH / field.shape[1]
    where = (subject.work.to_mean + 0.5) / scale - 0.5
    return sampled(field, where)


def _displacement(subject: PhotoSubject, ages: tuple[float, float], gain: float) -> Floats:
    """Where the working copy's pixels come from: offsets (h, w, 2) in pixels of the photograph."""
    offsets, _ = frame_offsets(subject, ages, gain)
    back = subject.view.to_frame.inverse().matrix[:, :2]
    moved = frame_to_work(offsets, subject.work.to_frame, subject.work.size)
    return (moved @ back.T).astype(np.float32)


def frame_offsets(
    subject: PhotoSubject, ages: tuple[float, float], gain: float
) -> tuple[Floats, Floats]:
    """Whence each pixel of the aligned frame comes, offsets (320, 256, 2), and where the points
    (73, 2) of the face go.
    """
    points = subject.view.points
    step = subject.model.difference("shape", *ages, subject.code) * gain
    if subject.from_mean is None:
        offsets = coordinate_map(points + step, points) - identity_map()
    else:
        mean = subject.model.mean_points
        offsets = sampled(coordinate_map(mean + step, mean) - identity_map(), subject.from_mean)
    offsets = cv2.GaussianBlur(offsets, (0, 0), 4.0)
    offsets = _rigid_where_glasses_are(offsets, subject)
    return np.asarray(offsets * subject.movable[..., None], np.float32), points + step


def _rigid_where_glasses_are(offsets: Floats, subject: PhotoSubject) -> Floats:
    """Offsets (320, 256, 2) that are affine about the eyes: the rims of glasses stay straight."""
    worn = subject.view.masks.glasses
    if worn < 0.05:
        return offsets
    points = subject.view.points
    zone = np.zeros(offsets.shape[:2], np.float32)
    corners = points[[0, 17, 19, 24, 26, 16, 14, 35, 31, 2]]
    cv2.fillConvexPoly(zone, cv2.convexHull(np.round(corners).astype(np.int32)), 1.0)
    where = zone > 0
    y, x = np.nonzero(where)
    design = np.column_stack([np.ones_like(x), x, y]).astype(np.float64)
    plane, *_ = np.linalg.lstsq(design, offsets[where].astype(np.float64), rcond=None)
    grid = identity_map().astype(np.float64)
    affine = plane[0] + grid[..., :1] * plane[1] + grid[..., 1:] * plane[2]
    share = cv2.GaussianBlur(zone, (0, 0), 6.0)[..., None] * worn
    return (offsets + (affine - offsets) * share).astype(np.float32)
