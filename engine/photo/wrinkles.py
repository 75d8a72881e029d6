"""Fine lines where they belong, for what portraits of 225 pixels cannot teach.

Each line is a curve fixed to landmarks of the mean shape with the profile of a crease: a dark
valley between two faint ridges. Lines appear with age, by zone; order and places follow clinical
descriptions (Lemperle and others 2001: forehead, glabella, periorbital, nasolabial, marionette,
upper lip, neck); those about mouth and jaw lie where valleys of L are deeper in the old faces of
the fit than in the young ones. Where the person's own skin is already as creased as the age would
make it, the lines stay away and the person's own creases deepen instead.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.photo.bands import CELL
from engine.photo.frame import HEIGHT, WIDTH, Floats

SCALE = 2
"""Lines are drawn at twice the frame's resolution."""
SEED = 20150225
"""Of the small irregularities that keep lines from looking ruled."""
PATTERNS = 8
"""How many patterns of lines there are; each face has one of them."""
OFF_PLACE = 0.8
"""Frame pixels by which a line of a pattern lies elsewhere."""
DEEPER_OR_LESS = (0.7, 1.3)
"""How deep it is, in proportion."""
OLDEST = 80.0


class Zone(NamedTuple):
    """A group of lines: the age at which they begin, their depth in L at 80, their width in frame
    pixels, the share of a broad fold in them, how many short creases lie about each line, and how
    far from it, in frame pixels.
    """

    begins: float
    depth: float
    width: float
    fold: float
    strands: int
    spread: float


ZONES = {
    "forehead": Zone(36.0, 4.0, 1.8, 1.0, 1, 2.4),
    "glabella": Zone(40.0, 4.5, 2.2, 1.0, 1, 1.5),
    "crow's feet": Zone(34.0, 7.5, 1.2, 0.7, 2, 2.0),
    "under eyes": Zone(38.0, 6.0, 1.7, 1.0, 2, 1.8),
    "nasolabial": Zone(34.0, 8.0, 2.3, 1.0, 1, 1.0),
    "marionette": Zone(42.0, 6.5, 2.4, 1.0, 1, 1.2),
    "cheeks": Zone(44.0, 5.5, 1.8, 0.8, 2, 3.0),
    "jowls": Zone(44.0, 6.0, 2.8, 1.0, 1, 2.0),
    "chin": Zone(46.0, 4.5, 2.0, 0.8, 1, 2.0),
    "upper lip": Zone(55.0, 4.0, 0.9, 0.3, 1, 1.2),
    "neck": Zone(40.0, 8.0, 2.0, 0.7, 4, 3.0),
}
ON_NECK = ("jowls", "neck")
"""Zones under the jaw, where lightness alone hardly tells skin from what is behind it."""
SPOTS = Zone(55.0, 2.2, 1.6, 0.0, 36, 0.0)
"""Age spots (solar lentigines) of cheeks, temples and forehead: how many, how dark, how large."""
Curve = NDArray[np.float64]


def depth_at(zone: Zone, age: float) -> float:
    """How deep a zone's lines are at an age, in levels of L on fair skin."""
    share = np.clip((age - zone.begins) / (OLDEST - zone.begins), 0, 1.2)
    return float(zone.depth * share**1.3)


def pattern_of(points: NDArray[np.floating]) -> int:
    """Which of PATTERNS a face has, by its points (n, 2) in the frame: the same for every age."""
    return crc32(np.round(np.asarray(points, np.float64)).astype(np.int32).tobytes()) % PATTERNS


def line_field(
    points: Floats,
    ages: tuple[float, float],
    room: Floats,
    *,
    pattern: int = 0,
    neck: float = 1.0,
) -> Floats:
    """The change of L (640, 512) in the mean frame by the lines that appear between two ages.

    points: the mean shape (73, 2); room: (80, 64) in 0..1, how far the skin is from creased enough;
    pattern: of `pattern_of`; neck: share of the lines of the neck and under the jaw.
    Nothing for a younger goal: lines are then taken away by the detail bands, never drawn in white.
    """
    field = np.zeros((HEIGHT * SCALE, WIDTH * SCALE), np.float32)
    if ages[1] <= ages[0]:
        return field
    zones = ZONES | {"spots": SPOTS}
    planes = _planes(points.tobytes(), pattern)
    for (name, zone), (lines, _) in zip(zones.items(), planes, strict=True):
        step = depth_at(zone, ages[1]) - depth_at(zone, ages[0])
        field += (neck if name in ON_NECK else 1.0) * step * lines
    wide = cv2.resize(room, (WIDTH * SCALE, HEIGHT * SCALE), interpolation=cv2.INTER_LINEAR)
    return field * wide


def zone_share(points: Floats, ages: tuple[float, float], *, pattern: int = 0) -> Floats:
    """How much of the depth of lines at 80 comes (> 0) or goes (< 0) between two ages: (320, 256).

    It is spread about each line, because a person's own creases lie near it and not on it.
    """
    share = np.zeros((HEIGHT, WIDTH), np.float32)
    for zone, (_, near) in zip(ZONES.values(), _planes(points.tobytes(), pattern), strict=False):
        step = (depth_at(zone, ages[1]) - depth_at(zone, ages[0])) / zone.depth
        share += step * near
    return np.clip(share, -1, 1)


def missing_creases(own: Floats, expected: Floats, face: Floats) -> Floats:
    """How far the skin's own detail stays behind an expected one: (80, 64) in 0.15..1.

    own, expected: log energies (80, 64, 4); face: (80, 64) weights. Only the pattern counts: how
    sharp a whole picture is says nothing of the skin in it.
    """
    behind = (expected - own)[..., :3].mean(axis=-1)
    behind = behind - (behind * face).sum() / max(float(face.sum()), 1e-6)
    soft = cv2.GaussianBlur(behind.astype(np.float32), (0, 0), 12.0 / CELL)
    return (0.15 + 0.85 / (1 + np.exp(-(soft + 0.15) / 0.12))).astype(np.float32)


@lru_cache(maxsize=PATTERNS)
def _planes(points: bytes, pattern: int) -> tuple[tuple[Floats, Floats], ...]:
    """For each zone, crease profiles of unit depth (640, 512), and nearness (320, 256) in 0..1."""
    shape = np.frombuffer(points, np.float32).reshape(-1, 2).astype(np.float64)
    generator = np.random.default_rng((SEED, pattern))
    curves = _curves(shape, generator)
    drawn = [
        _drawn(_varied(curves[name], generator), zone, generator) for name, zone in ZONES.items()
    ]
    return (*drawn, (_spots(shape, generator), np.zeros((HEIGHT, WIDTH), np.float32)))


def _drawn(
    curves: list[tuple[Curve, float]], zone: Zone, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Curves as valleys of unit depth, irregular along their length, and nearness to them."""
    plane = np.zeros((HEIGHT * SCALE, WIDTH * SCALE), np.float32)
    for curve, depth in curves:
        for strand, shades in _strands(curve, zone, generator):
            stroke = np.zeros_like(plane)
            spots = np.round((strand + 0.5) * SCALE * 16 - 8).astype(np.int32)
            for start, stop, shade in zip(spots[:-1], spots[1:], shades, strict=False):
                cv2.line(stroke, start.tolist(), stop.tolist(), depth * shade, 1, cv2.LINE_8, 4)
            plane = np.maximum(plane, stroke)
    sigma = zone.width * SCALE
    valley = cv2.GaussianBlur(plane, (0, 0), sigma * 0.6)
    ridges = cv2.GaussianBlur(plane, (0, 0), sigma * 1.6)
    # A blurred line of one pixel has height 1 / (sigma sqrt(2 pi)).
    unit = sigma * 0.6 * np.sqrt(2 * np.pi)
    lines = (0.85 * ridges - valley) * unit
    broad, hollow = sigma * 3.2, sigma * 1.8
    fold = 0.9 * cv2.GaussianBlur(plane, (0, 0), broad) - cv2.GaussianBlur(plane, (0, 0), hollow)
    lines += zone.fold * fold * hollow * np.sqrt(2 * np.pi)
    near = cv2.GaussianBlur(np.minimum(plane, 1), (0, 0), 3.0 * SCALE)
    near = cv2.resize(near, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return lines.astype(np.float32), np.clip(near / max(float(near.max()) * 0.6, 1e-6), 0, 1)


def _spots(p: Curve, generator: np.random.Generator) -> Floats:
    """Dark spots of unit depth (640, 512), uneven in size, off the eyes, nose and mouth."""
    plane = np.zeros((HEIGHT * SCALE, WIDTH * SCALE), np.float32)
    middle, half = p[27, 0], (p[16, 0] - p[0, 0]) / 2
    for _ in range(SPOTS.strands):
        side = generator.choice((-1.0, 1.0))
        x = middle + side * half * generator.uniform(0.45, 0.92)
        y = generator.uniform(p[69, 1], p[48, 1] + 6)
        if p[17:27, 1].min() - 4 < y < p[41, 1] + 9 and abs(x - middle) < half * 0.8:
            continue
        size = np.array([1.0, generator.uniform(0.6, 1.2)]) * generator.gamma(2.5, 0.7) * SCALE
        at = np.round((np.array([x, y]) + 0.5) * SCALE * 16 - 8).astype(int).tolist()
        axes = np.round(np.maximum(size, 0.8) * 16).astype(int).tolist()
        turned, shade = generator.uniform(0, 180), generator.uniform(0.3, 1.0)
        cv2.ellipse(plane, at, axes, turned, 0, 360, float(shade), -1, cv2.LINE_8, 4)
    return -np.asarray(cv2.GaussianBlur(plane, (0, 0), SPOTS.width * SCALE * 0.6), np.float32)


def _strands(
    curve: Curve, zone: Zone, generator: np.random.Generator
) -> Iterator[tuple[Curve, list[float]]]:
    """A curve as skin creases along it: one broken main line and short ones beside it.

    Each is its points (n, 2) and the depth of each piece, which thins out towards both ends.
    """
    whole = _resampled(curve, 48)
    way = np.gradient(whole, axis=0)
    across = np.column_stack([-way[:, 1], way[:, 0]])
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    for number in range(1 + zone.strands):
        share = 1.0 if number == 0 else generator.uniform(0.2, 0.5)
        first = int(generator.uniform(0, 1 - share) * len(whole))
        piece = slice(first, first + max(int(share * len(whole)), 6))
        length = np.linspace(0, 1, len(whole[piece]))
        sway = np.cumsum(np.cumsum(generator.normal(0, 0.035, (len(length), 2)), axis=0), axis=0)
        sway = np.clip(sway - np.outer(length, sway[-1]), -1.8, 1.8)
        apart = 0.0 if number == 0 else generator.normal(0, zone.spread)
        lean = generator.normal(0, 0.3) * zone.spread * (length - 0.5)
        strand = whole[piece] + across[piece] * (apart + lean)[:, None] + sway
        waves = sum(
            np.sin(length * generator.uniform(4, 22) + generator.uniform(0, 6)) for _ in range(3)
        )
        uneven = np.clip(0.85 + 0.15 * waves, 0.3, 1.2)
        ends = np.sin(np.pi * np.clip(length, 0.02, 0.98)) ** 0.8
        height = 1.0 if number == 0 else generator.uniform(0.3, 0.75)
        yield strand, (uneven * ends * height).tolist()


def _varied(
    curves: list[tuple[Curve, float]], generator: np.random.Generator
) -> list[tuple[Curve, float]]:
    """Curves a little off their places and of other depths, as people differ."""
    return [
        (curve + generator.normal(0, OFF_PLACE, 2), depth * generator.uniform(*DEEPER_OR_LESS))
        for curve, depth in curves
    ]


def _curves(p: Curve, generator: np.random.Generator) -> dict[str, list[tuple[Curve, float]]]:
    """The curves of each zone with their relative depths, on the mean shape (73, 2)."""
    lines: dict[str, list[tuple[Curve, float]]] = {name: [] for name in ZONES}
    brow, top, middle = p[19:25, 1].mean(), p[70, 1], p[27, 0]
    half = (p[25, 0] - p[18, 0]) / 2
    rise = generator.uniform(-0.05, 0.05)
    for height, reach, depth in (
        (0.26 + rise, 0.8, 0.9),
        (0.44 + rise, 0.95, 1.0),
        (0.62 + rise, 0.85, 0.5),
    ):
        x = np.linspace(-reach, reach, 9) * half
        bow = 2.4 * np.cos(x / half * np.pi) - 1.5 * np.abs(x / half)
        level = brow - height * (brow - top)
        lines["forehead"].append((np.column_stack([middle + x, level + bow * 0.8]), depth))
    for side in (-1.0, 1.0):
        inner = p[21] if side < 0 else p[22]
        lines["glabella"].append(
            (
                np.array(
                    [
                        [middle + side * 4.5, inner[1] - 7],
                        [middle + side * 5.0, inner[1] + 1],
                        [middle + side * 4.0, inner[1] + 9],
                    ]
                ),
                1.0 if side < 0 else 0.75,
            )
        )
        lines["crow's feet"] += _crows_feet(p[36] if side < 0 else p[45], side)
        lines["under eyes"] += _under_eye(p[36:42] if side < 0 else p[42:48], side)
        _add_lower_face(lines, p, side)
    for share in np.linspace(-0.75, 0.75, 7):
        x = p[51, 0] + share * (p[54, 0] - p[48, 0]) / 2
        y = p[50:53, 1].mean() + 5 * share**2
        lean = share * 2.5
        lines["upper lip"].append((np.array([[x + lean, y - 9], [x, y - 2]]), 1 - 0.4 * abs(share)))
    chin, width = p[8], (p[12, 0] - p[4, 0]) / 2
    for drop, reach, depth in ((29.0, 0.75, 1.0), (42.0, 0.6, 0.7)):
        x = np.linspace(-reach, reach, 7) * width
        sag = 5.0 * (1 - (x / width) ** 2)
        lines["neck"].append((np.column_stack([chin[0] + x, chin[1] + drop + sag]), depth))
    return lines


def _add_lower_face(lines: dict[str, list[tuple[Curve, float]]], p: Curve, side: float) -> None:
    """The folds about the mouth and the jaw, where valleys of old faces are deeper than of young
    ones in the mean over the portraits of the fit; side is -1 for the left of the picture.
    """
    wing, corner = (p[31], p[48]) if side < 0 else (p[35], p[54])
    jaw = p[[7, 6, 5, 4, 3]] if side < 0 else p[[9, 10, 11, 12, 13]]
    lip, chin = p[57], p[8]

    def beside(start: Curve, *steps: tuple[float, float]) -> Curve:
        return np.array([_shifted(start, side * x, y) for x, y in steps])

    ends = beside(corner, (3, -9), (9, -4), (12, 1))
    lines["nasolabial"].append((np.vstack([beside(wing, (1, -11), (8, -4)), ends]), 1.0))
    marionette = beside(corner, (2.5, 3), (4.5, 10), (3, 18), (-1, 25))
    lines["marionette"].append((marionette, 1.0))
    drape = np.vstack([beside(corner, (14, 9), (11, 18), (6, 27)), beside(jaw[0], (6, -2), (1, 3))])
    lines["cheeks"].append((drape, 1.0))
    for share, depth in ((0.35, 0.7), (0.65, 0.5)):
        outer = jaw[[4, 3, 3, 2, 2]]
        lines["cheeks"].append(((drape + share * (outer - drape))[:4], depth))
    under = np.vstack(
        [beside(jaw[2], (0, 9)), beside(jaw[0], (11, 5)), beside(chin, (10, 15), (0, 21))]
    )
    lines["jowls"].append((under, 1.0))
    lines["chin"].append((beside(lip, (0, 10), (8, 8.5), (17, 2)), 1.0))


def _crows_feet(corner: Curve, side: float) -> list[tuple[Curve, float]]:
    """A fan of lines from the outer corner of an eye; side is -1 for the left of the picture."""
    fan = []
    for degrees, length, depth in (
        (-38, 13, 0.7),
        (-14, 17, 1.0),
        (10, 19, 1.0),
        (34, 20, 0.9),
        (56, 19, 0.7),
    ):
        angle = np.radians(degrees)
        way = np.array([side * np.cos(angle), np.sin(angle)])
        across = np.array([-way[1], way[0]]) * side
        start = corner + way * 5
        bend = 1.6 if degrees > 0 else -1.2
        fan.append(
            (
                np.array([start, start + way * length / 2 + across * bend, start + way * length]),
                depth,
            )
        )
    return fan


def _under_eye(eye: Curve, side: float) -> list[tuple[Curve, float]]:
    """The trough under an eye, and a finer line above it."""
    inner, outer = (eye[3], eye[0]) if side < 0 else (eye[0], eye[3])
    middle = (inner + outer) / 2
    trough = np.array(
        [
            _shifted(inner, 0, 5),
            _shifted(middle, -side * 4, 12),
            _shifted(middle, side * 5, 12.5),
            _shifted(outer, side, 9),
        ]
    )
    fine = np.array(
        [_shifted(inner, side * 4, 5), _shifted(middle, 0, 7.5), _shifted(outer, -side, 5)]
    )
    return [(trough, 1.0), (fine, 0.5)]


def _shifted(points: Curve, x: float, y: float) -> Curve:
    """Points (2,) or (n, 2) moved by x and y."""
    return points + np.array([x, y])


def _resampled(curve: Curve, count: int) -> Curve:
    """A curve through few points as `count` points of a Catmull-Rom spline."""
    padded = np.vstack([2 * curve[0] - curve[1], curve, 2 * curve[-1] - curve[-2]])
    where = np.linspace(0, len(curve) - 1, count)
    piece = np.minimum(where.astype(int), len(curve) - 2)
    t = (where - piece)[:, None]
    a, b, c, d = (padded[piece + k] for k in range(4))
    return 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
