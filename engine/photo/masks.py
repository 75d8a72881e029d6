"""Soft masks of a face in the aligned frame: skin, hair, brows, eyes, mouth, glasses, person.

They come from landmarks and from the person's own colours, so that no network is needed; a mask of
the person, where one is at hand, keeps hair and background apart better than colour alone.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.photo.bands import blurred
from engine.photo.frame import EYE_DISTANCE, HEIGHT, WIDTH, Floats
from engine.photo.outlines import FACE, FOREHEAD, feature_planes, polygon

SKIN_TOLERANCE = (24.0, 34.0, 9.0, 11.0)
"""Lab levels by which skin may be darker, lighter, or off in a and b: one sigma each."""
SHADE_TOLERANCE = (4.5, 6.0)
STRAND_DETAIL = 1.3
"""Mean Lab detail over which a surface is hair rather than skin."""
HAIR_TOLERANCE = (17.0, 9.0, 10.0)
COARSE = 2
"""Hair is followed on a copy of half the size."""
SPREAD = 220
"""Steps by which hair is followed, on that copy: its length."""
FEWEST = 150
"""Pixels from which a colour is an estimate."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceMasks:
    """Planes (h, w) in 0..1; `glasses` in 0..1 for the whole face; colours in Lab (3,)."""

    person: Floats
    skin: Floats
    hair: Floats
    brows: Floats
    eyes: Floats
    mouth: Floats
    face: Floats
    frames: Floats
    glasses: float
    skin_colour: Floats
    hair_colour: Floats | None


def face_masks(lab: Floats, points: Floats, person: Floats | None = None) -> FaceMasks:
    """Masks for Lab (320, 256, 3) and points (73, 2) in the aligned frame."""
    brows, eyes, mouth, face = feature_planes(points)
    hull, forehead = polygon(points[FACE], 1.0, 3.0), polygon(points[FOREHEAD], 0.92, 6.0)
    reference = cheek_colour(lab, points)
    like = _skin_similarity(lab, reference, _light_across(lab, points, float(reference[0])))
    # A highlight on the forehead is skin; white hair over it is as light and has no red.
    bright = forehead * _sigmoid((lab[..., 0] - reference[0] + 4) / 3)
    like = blurred(np.maximum(like, bright * _reddish(lab, reference)), 1.5)
    like = np.maximum(like, _smooth_skin(lab, reference))
    # How far from the face hair may reach, in half face widths and in eye-to-chin heights.
    reach = (1.75, 1.7)
    if person is None:
        person, reach = estimated_person(lab, points, like), (1.42, 1.42)
    above = _above_chin(points)
    hair, beard, colour = _hair(
        lab, points, (like, person, bright), (hull, mouth, above), reach, reference
    )
    sure = polygon(points[[1, 3, 5, 8, 11, 13, 15, 26, 24, 19, 17]], 0.9, 5.0)
    neck = _connected_skin(like * person, points)
    like = np.maximum(like, bright * (1 - np.minimum(1.5 * hair, 1)))
    skin = np.maximum(like * np.maximum(above * person, np.maximum(hull, neck)), sure * (1 - beard))
    skin = skin * np.maximum(person, sure) * _near_face(points)
    skin = skin * (1 - hair * (1 - sure))
    hair = np.maximum(hair, beard * person)
    glasses, frames = _glasses(lab[..., 0], points, eyes, brows)
    return FaceMasks(
        person=person,
        skin=np.clip(skin * (1 - 0.7 * eyes), 0, 1),
        hair=np.clip(hair * (1 - eyes) * (1 - mouth), 0, 1),
        brows=brows,
        eyes=eyes,
        mouth=mouth,
        face=face,
        frames=frames,
        glasses=glasses,
        skin_colour=reference,
        hair_colour=colour,
    )


def cheek_colour(lab: Floats, points: Floats) -> Floats:
    """The median Lab (3,) of small patches of both cheeks and the forehead's middle."""
    spots = [
        (points[1] + points[31]) / 2,
        (points[15] + points[35]) / 2,
        points[2] * 0.4 + points[31] * 0.6,
        points[14] * 0.4 + points[35] * 0.6,
        points[27] - [0, EYE_DISTANCE * 0.55],
    ]
    patches = [_patch(lab, spot, 3) for spot in spots]
    return np.median(np.vstack(patches), axis=0).astype(np.float32)


def estimated_person(lab: Floats, points: Floats, skin_like: Floats) -> Floats:
    """Person or background (320, 256) by colour: GrabCut (Rother 2004) from a bust."""
    centre = points[[0, 16, 27]].mean(axis=0)
    down = points[8, 1] - centre[1]
    across = (points[16, 0] - points[0, 0]) / 2
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    head = np.hypot((x - centre[0]) / (across * 1.35), (y - centre[1] + down * 0.2) / (down * 1.35))
    below = (y - points[8, 1]) / down
    body = (below > 0.15) & (np.abs(x - points[8, 0]) < across * (1.1 + 2.0 * below))
    trimap = np.full((HEIGHT, WIDTH), cv2.GC_PR_BGD, np.uint8)
    # Background for certain only beside and over the head: lower down may be hair or clothes.
    beside = (below < -0.3) & ((head > 1.5) | (np.abs(x - (WIDTH - 1) / 2) > 0.48 * WIDTH))
    trimap[beside] = cv2.GC_BGD
    trimap[(head < 1.15) | body] = cv2.GC_PR_FGD
    # The cap over the hairline is scalp or hair, whoever it is.
    brow = points[19:25].mean(axis=0)
    rise = np.array([[0.8, 1.0], [0.85, 1.02], [1.0, 1.03], [0.85, 1.02], [0.8, 1.0]])
    cap = np.vstack([brow + (points[FOREHEAD[:5]] - brow) * rise, points[[16, 0]]])
    sure = np.maximum(polygon(points[FACE], 0.95, 1.0), polygon(cap, 1.0, 1.0))
    trimap[(sure > 0.5) | ((head < 1.0) & (skin_like > 0.8))] = cv2.GC_FGD
    small = (WIDTH // COARSE, HEIGHT // COARSE)
    trimap = np.ascontiguousarray(trimap[::COARSE, ::COARSE])
    levels = np.clip(
        lab * np.array([2.55, 1, 1], np.float32) + np.array([0, 128, 128], np.float32), 0, 255
    )
    picture = cv2.resize(levels, small, interpolation=cv2.INTER_AREA).astype(np.uint8)
    cv2.setRNGSeed(0)  # GrabCut starts from k-means: the same photograph gives the same mask
    cv2.grabCut(
        picture,
        trimap,
        (0, 0, 1, 1),  # of no account where a mask is given
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        4,
        cv2.GC_INIT_WITH_MASK,
    )
    inside = ((trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)).astype(np.float32)
    inside = blurred(cv2.resize(inside, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), 1.5)
    # Where it spills all around the head, colour cannot tell: keep to the shape of a head.
    ring = (head > 1.3) & (head < 1.5) & (below < -0.5)
    if ring.any():
        spilt = float(np.clip((inside[ring].mean() - 0.5) / 0.2, 0, 1))
        shape = np.maximum(_sigmoid((1.02 - head) / 0.04), _sigmoid((below - 0.1) / 0.05))
        inside = inside * (1 - spilt) + np.minimum(inside, shape) * spilt
    return guided(lab[..., 0] / 100, inside, 4)


def guided(guide: Floats, mask: Floats, radius: int, epsilon: float = 1e-3) -> Floats:
    """A mask that follows the edges of its guide (h, w) in 0..1: guided filter (He 2010)."""
    side = (2 * radius + 1, 2 * radius + 1)
    mean_guide, mean_mask = cv2.blur(guide, side), cv2.blur(mask, side)
    covariance = cv2.blur(guide * mask, side) - mean_guide * mean_mask
    slope = covariance / (cv2.blur(guide * guide, side) - mean_guide**2 + epsilon)
    offset = mean_mask - slope * mean_guide
    return np.clip(cv2.blur(slope, side) * guide + cv2.blur(offset, side), 0, 1)


def _hair(
    lab: Floats,
    points: Floats,
    planes: tuple[Floats, Floats, Floats],
    geometry: tuple[Floats, Floats, Floats],
    most: tuple[float, float],
    reference: Floats,
) -> tuple[Floats, Floats, Floats | None]:
    """Scalp hair followed along its length, beard, and the Lab of the scalp hair."""
    (like, person, bright), (hull, mouth, above) = planes, geometry
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    # Beard: what is not skin-like under the nose and inside the face, if there is enough of it.
    low = hull * _sigmoid((y - points[33, 1]) / (EYE_DISTANCE * 0.08)) * (1 - mouth)
    dark = low * (1 - like)
    beard = dark * np.clip((dark.sum() / max(float(low.sum()), 1.0) - 0.3) / 0.25, 0, 1)
    # Not skin, of the person, close to the head: hair, whatever its colour.
    centre, across = points[27], (points[16, 0] - points[0, 0]) / 2
    down = points[8, 1] - centre[1]
    wide = across * (most[0] + (1.6 - most[0]) * _sigmoid((y - centre[1]) / (0.15 * down)))
    tall = down * np.where(y < centre[1] - 0.2 * down, most[1], 2.6)
    middle = (points[0, 0] + points[16, 0]) / 2
    reach = np.hypot((x - middle) / wide, (y - centre[1] + down * 0.2) / tall)
    near_head = _sigmoid((1 - reach) / 0.06)
    free = (1 - np.maximum(like, hull * 0.9)) * person * near_head
    cap = np.hypot((x - middle) / (across * 1.3), (y - centre[1] + down * 0.2) / (down * 1.3)) < 1
    top = (free * above > 0.6) & (y < points[33, 1]) & cap
    if top.sum() < FEWEST:
        return free * above * 0.5, beard, None
    colour = np.median(lab[top], axis=0).astype(np.float32)
    spread = 1.4826 * np.median(np.abs(lab[top] - colour), axis=0)
    sigma = np.maximum(np.array(HAIR_TOLERANCE, np.float32), 1.3 * spread.astype(np.float32))
    close = np.exp(-0.5 * (((lab - colour) / sigma) ** 2).sum(axis=-1))
    # Over the head hair may have any colour; beside it, that of this person.
    crown = _sigmoid((points[33, 1] - y) / (EYE_DISTANCE * 0.1))
    crown = crown * _sigmoid((across * 1.4 - np.abs(x - middle)) / (across * 0.06))
    limit = (1 - like * (1 - 0.5 * close)) * person * np.maximum(close, 0.9 * crown) * near_head
    limit = limit * (1 - hull * (1 - close) * 0.9)
    # What shines on the forehead is hair only for those whose hair is as light.
    darker = float(1 / (1 + np.exp(-(reference[0] - colour[0] - 4) / 3)))
    shine = darker * bright * (1 - close)
    limit = limit * (1 - shine)
    # Long hair ends somewhere; what reaches far below the chin is more likely cloth.
    fall = _sigmoid((points[8, 1] + 1.15 * down - y) / (0.22 * down))
    light = np.ascontiguousarray(lab[..., 0])
    strands = np.abs(light - blurred(light, 2.0))
    limit = limit * _columns_of_hair(limit, points, y)
    # Cloth of the same colour is smoother than this hair.
    grain = blurred(strands, 5.0) / max(0.7 * float(np.median(strands[top])), 0.3)
    below = _sigmoid((y - points[8, 1]) / (0.06 * EYE_DISTANCE))
    limit = limit * (1 - below * (1 - np.clip(2 * grain - 1, 0, 1)))
    size = (WIDTH // COARSE, HEIGHT // COARSE)
    limit_small = cv2.resize(limit * fall, size, interpolation=cv2.INTER_AREA)
    seeds = top & (shine < 0.3)
    seeds = cv2.resize(seeds.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    followed = reconstructed(np.minimum(seeds, limit_small), limit_small)
    hair = cv2.resize(followed, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    # Between brows and chin the inside of the face is skin or beard, however deep the shadow.
    inner = polygon(points[FACE], 0.9, 3.0) * _sigmoid((y - points[27, 1]) / (EYE_DISTANCE * 0.08))
    hair = hair * (1 - inner)
    # Stubble on a shaved scalp has the colour of skin in shade: do not follow it down the neck.
    seen = strands[(hair > 0.7) & (y < points[27, 1])]
    apart = _apart(colour, reference, float(np.median(seen)) if seen.size else 0.0)
    hair = hair * np.where(y < points[27, 1], 0.4 + 0.6 * apart, apart)
    return np.minimum(hair * 1.15, 1).astype(np.float32), beard, colour


def _columns_of_hair(limit: Floats, points: Floats, y: Floats) -> Floats:
    """1 above the chin; below it, 1 in the columns (320, 256) that hold hair beside the jaw.

    A jacket of the colour of the hair hangs below the chin without hair above it.
    """
    rows = slice(max(int(points[62, 1]), 0), max(int(points[8, 1]), int(points[62, 1]) + 1))
    profile = limit[rows].mean(axis=0, keepdims=True)
    left, right = round(float(points[4, 0])), round(float(points[12, 0]))
    profile[:, max(left, 0) : max(right, 0)] = 0
    wide = cv2.dilate(np.clip((profile - 0.25) / 0.3, 0, 1), np.ones((1, 25), np.uint8))
    wide = cv2.GaussianBlur(wide, (0, 0), 4.0, borderType=cv2.BORDER_REPLICATE)
    lower = _sigmoid((y - points[8, 1]) / (0.06 * EYE_DISTANCE))
    return 1 - lower * (1 - wide)


def _apart(colour: Floats, reference: Floats, strands: float) -> float:
    """How far hair is from skin in shade, 0..1: by its colour, its darkness or its strands."""
    shade = float(colour[0] / max(float(reference[0]), 1.0))
    off = (colour[1:] - reference[1:] * float(np.clip(shade, 0.3, 1.2))) / SHADE_TOLERANCE
    near = float(np.exp(-0.5 * (off**2).sum())) / (1 + float(np.exp(-(shade - 0.28) / 0.03)))
    near *= float(np.exp(-((strands / STRAND_DETAIL) ** 4)))
    return float(np.clip((1 - near - 0.15) / 0.5, 0, 1))


def reconstructed(seeds: Floats, limit: Floats) -> Floats:
    """Grey-scale reconstruction (Vincent 1993): seeds grown as far as the limit stays high."""
    kernel = np.ones((3, 3), np.uint8)
    grown = seeds
    for _ in range(SPREAD):
        wider = np.minimum(cv2.dilate(grown, kernel), limit)
        if np.array_equal(wider, grown):
            break
        grown = wider
    return grown


def _glasses(light: Floats, points: Floats, eyes: Floats, brows: Floats) -> tuple[float, Floats]:
    """How surely glasses are worn, 0..1, and a plane of the thin lines that may be their frames."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    thin = np.maximum(
        cv2.morphologyEx(light, cv2.MORPH_BLACKHAT, kernel),
        cv2.morphologyEx(light, cv2.MORPH_TOPHAT, kernel),
    )
    bridge = polygon(
        np.array([points[39], points[42], points[28] + [7, 0], points[28] - [7, 0]], np.float32),
        0.9,
        1.0,
    )
    left = np.array([points[36], points[39], points[31], points[1]], np.float32)
    right = np.array([points[45], points[42], points[35], points[15]], np.float32)
    under = np.maximum(polygon(left, 0.85, 1.0), polygon(right, 0.85, 1.0))
    under = under * (1 - np.clip(blurred(eyes, 3.0) * 2.5, 0, 1))
    score = 0.0
    for zone in (bridge, under):
        values = thin[zone > 0.5]
        if values.size:
            score += float(np.percentile(values, 90)) / 2
    worn = float(_sigmoid(np.array(score - 10.6)))
    around = polygon(np.vstack([points[[17, 19, 24, 26, 15, 14, 35, 31, 2, 1]]]), 1.12, 4.0)
    lines = np.clip((blurred(thin, 1.0) - 2.5) / 4, 0, 1) * around * (1 - 0.5 * brows)
    return worn, (blurred(lines, 1.0) * worn).astype(np.float32)


def _light_across(lab: Floats, points: Floats, middle: float) -> Floats:
    """The L (1, 256) that skin has at each x, between two cheeks that are lit differently."""
    left, right = (
        float(np.median(_patch(lab, spot, 4)[:, 0]))
        for spot in ((points[2] + points[31]) / 2, (points[14] + points[35]) / 2)
    )
    # Only a difference that light can make: a cheek under a hand or hair says nothing.
    half = float(np.clip((right - left) / 2, -25, 25))
    reach = max(float(points[14, 0] - points[2, 0]) / 4, 1.0)
    x = np.arange(WIDTH, dtype=np.float32)[None]
    return middle + half * np.clip((x - points[33, 0]) / reach, -1.5, 1.5)


def _connected_skin(like: Floats, points: Floats) -> Floats:
    """Skin (320, 256) that hangs together with the face, as neck and ears do, to the collar."""
    small = cv2.resize(like, (WIDTH // COARSE, HEIGHT // COARSE), interpolation=cv2.INTER_AREA)
    seed = cv2.resize(
        polygon(points[FACE], 0.9, 1.0), small.shape[::-1], interpolation=cv2.INTER_AREA
    )
    whole = reconstructed(np.minimum(seed, small), small)
    whole = cv2.resize(whole, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    y = np.mgrid[0:HEIGHT, 0:WIDTH][0].astype(np.float32)
    down = float(points[8, 1] - points[27, 1])
    return whole * _sigmoid((points[8, 1] + 0.75 * down - y) / (0.12 * down))


def _skin_similarity(lab: Floats, reference: Floats, lightness: Floats) -> Floats:
    """How much a pixel has the colour of the cheeks, given the L that light leaves them there."""
    darker, lighter, a, b = SKIN_TOLERANCE
    off = lab - reference
    off[..., 0] = lab[..., 0] - lightness
    light = np.minimum(off[..., 0], 0) / darker + np.maximum(off[..., 0], 0) / lighter
    distance = light**2 + (off[..., 1] / a) ** 2 + (off[..., 2] / b) ** 2
    return np.exp(-0.5 * distance).astype(np.float32)


def _reddish(lab: Floats, reference: Floats) -> Floats:
    """Whether a pixel has some of the red and yellow of the cheeks; 1 in a grey photograph."""
    chroma = float(np.hypot(reference[1], reference[2]))
    share = (lab[..., 1:] @ reference[1:]) / max(chroma * chroma, 1.0)
    coloured = float(np.clip((chroma - 5) / 5, 0, 1))
    return 1 - coloured * (1 - _sigmoid((share - 0.45) / 0.06))


def _smooth_skin(lab: Floats, reference: Floats) -> Floats:
    """Skin in shade (320, 256): its chroma falls with its lightness, and it has no strands.

    Without it a shaved scalp that turns away from the light passes for hair.
    """
    shade = lab[..., 0] / max(float(reference[0]), 1.0)
    off = lab[..., 1:] - reference[1:] * np.clip(shade, 0.4, 1.2)[..., None]
    like = np.exp(-0.5 * ((off / np.array(SHADE_TOLERANCE, np.float32)) ** 2).sum(axis=-1))
    like *= _sigmoid((shade - 0.5) / 0.05)
    return blurred((like * _smooth(lab, STRAND_DETAIL)).astype(np.float32), 2.0)


def _smooth(lab: Floats, detail: float) -> Floats:
    """Where a surface has less than this mean detail of L, as hair never has: (320, 256)."""
    light = np.ascontiguousarray(lab[..., 0])
    strands = blurred(np.abs(light - blurred(light, 2.0)), 3.0)
    return np.asarray(np.exp(-((strands / detail) ** 4)), np.float32)


def _near_face(points: Floats) -> Floats:
    """Where skin may belong to this face (320, 256): head with scalp and ears, and the neck."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    centre, chin = points[27], points[8]
    across, down = (points[16, 0] - points[0, 0]) / 2, chin[1] - centre[1]
    tall = np.where(y < centre[1], 1.35 * down, 1.12 * down)
    head = np.hypot(
        (x - (points[0, 0] + points[16, 0]) / 2) / (across * 1.3), (y - centre[1]) / tall
    )
    neck = _sigmoid((across * 0.95 - np.abs(x - chin[0])) / 3) * _sigmoid((y - points[6, 1]) / 4)
    return np.maximum(_sigmoid((1 - head) / 0.03), neck)


def _above_chin(points: Floats) -> Floats:
    y = np.mgrid[0:HEIGHT, 0:WIDTH][0].astype(np.float32)
    chin, mouth = float(points[8, 1]), float(points[62:67, 1].mean())
    return _sigmoid((0.4 * mouth + 0.6 * chin - y) / (0.10 * (chin - float(points[27, 1]))))


def _patch(lab: Floats, at: NDArray[np.floating], radius: int) -> Floats:
    x = int(np.clip(at[0], radius, WIDTH - 1 - radius))
    y = int(np.clip(at[1], radius, HEIGHT - 1 - radius))
    return lab[y - radius : y + radius + 1, x - radius : x + radius + 1].reshape(-1, 3)


def _sigmoid(x: Floats) -> Floats:
    return (1 / (1 + np.exp(-np.clip(x, -30, 30)))).astype(np.float32)
