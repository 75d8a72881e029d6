"""Hair over the head: where it grows, how it flows, how it shines and greys."""

from dataclasses import dataclass
from math import copysign

import cv2
import numpy as np

from engine.worlds.portraits import textures
from engine.worlds.portraits.canvas import Canvas, ramp, single
from engine.worlds.portraits.face import Face
from engine.worlds.portraits.palette import GREY_HAIR
from engine.worlds.portraits.relief import Head, Light

_ARCH_Y = -0.30  # above, strands arch over the skull; below, they hang
_TEXELS = 64.0  # texture pixels per face unit


@dataclass(frozen=True, slots=True)
class HairLayer:
    """Hair painted on the canvas: linear colour (height, width, 3) and opacity (height, width)."""

    colour: np.ndarray
    alpha: np.ndarray


def paint_hair(
    face: Face, canvas: Canvas, shape: Head, light: Light, offsets: list[int]
) -> HairLayer:
    """Hair in front of the head, whose bare shape is given."""
    across, along = _flow(face, canvas, offsets)
    strand, lock, early_grey = cv2.split(_texture(face, canvas, across, along, offsets))
    inner, outer = _edges(face, canvas, shape.half_width)
    hair = face.hair
    # Strands end at the inner edge and below; the silhouette is combed smooth unless curly.
    noise = 0.8 * lock + 0.45 * strand
    ragged = (0.032 + 0.018 * hair.fringe) * (1 - 0.6 * hair.shortness)
    fuzzy = 0.006 + 0.045 * hair.curl * (1 - 0.6 * hair.shortness)
    depth = np.minimum(inner + ragged * noise, outer + fuzzy * noise)
    soft = 0.05 + 0.05 * hair.shortness
    alpha = np.clip(depth * (1 / soft) + 0.45, 0, 1)
    alpha *= _cover(face, canvas, shape, strand, lock, early_grey)
    root = np.minimum(inner, outer)
    colour = _colour(face, canvas, light, strand, lock, early_grey, root)
    return HairLayer(colour, single(alpha))


def _flow(face: Face, canvas: Canvas, offsets: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates across and along the strands, in face units, (height, width) each."""
    hair = face.hair
    x = canvas.row - (0.24 * hair.parting)
    rise = np.minimum(canvas.column - _ARCH_Y, 0) * 0.80
    # Parted hair: nested arches that begin at the parting and hang down beside the face.
    arch = cv2.magnitude(
        *(
            np.ascontiguousarray(np.broadcast_to(a, (canvas.height, canvas.width)))
            for a in (x, rise)
        )
    )
    arch_along = 1.2 * np.abs(x) + np.maximum(canvas.column - _ARCH_Y, 0)
    arch = arch + 3.0 * (x < 0)
    # Cropped hair and fringes: combed down or up, opening a little like a fan.
    comb = (
        1.7 * x / (1.15 + 0.28 * (canvas.column - face.skull.top_y))
        + (0.06 * hair.parting) * canvas.column
    )
    combed = max(hair.shortness, 0.55 * (1 - hair.long))
    front = hair.fringe * np.exp(-((x / 0.72) ** 6))
    share = np.maximum(front, combed)
    cloud = textures.patch("cloud", canvas.size, canvas.height, canvas.width, offsets[5])
    across = arch + share * (comb - arch) + 0.02 * cloud
    along = arch_along + share * (canvas.column - arch_along)
    if hair.wave > 0.05:
        across = across + (0.035 * hair.wave) * np.sin(11 * along + 1.3 * cloud + 3 * across)
    return across, along


def _texture(
    face: Face, canvas: Canvas, across: np.ndarray, along: np.ndarray, offsets: list[int]
) -> np.ndarray:
    """Strand, lock and early-grey noise following the flow, (height, width, 3)."""
    hair = face.hair
    name = "bristle" if hair.shortness > 0.5 else "strand"
    places = (
        (across * _TEXELS + offsets[1]),
        (along * _TEXELS + offsets[2]),
    )
    straight = _sample(name, *places)
    if hair.curl < 0.02:
        return straight
    x, y = (
        single(canvas.row * _TEXELS + offsets[1]),
        single(canvas.column * _TEXELS + offsets[2]),
    )
    grid = (canvas.height, canvas.width)
    curly = _sample("curl", np.broadcast_to(x, grid), np.broadcast_to(y, grid))
    return straight + hair.curl * (curly - straight)


def _sample(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return cv2.remap(
        textures.hair(name),
        np.ascontiguousarray(x, np.float32),
        np.ascontiguousarray(y, np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )


def _edges(face: Face, canvas: Canvas, half_width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances inside the hair's inner edge and end, and inside its silhouette; negative out."""
    hair, skull = face.hair, face.skull
    aside = np.abs(canvas.row)
    inner = _hairline(face, canvas) - canvas.column
    if hair.long > 0.1:
        beside = aside - np.maximum(0.96 * half_width, 0.76 - 0.10 * ramp(canvas.column, 0.5, 1.6))
        inner = np.maximum(inner, beside - (0.02 + 0.3 * (1 - hair.long)))
    side_lift = hair.lift * (0.55 + 0.45 * max(hair.long, hair.curl))
    wide = skull.temple_w + side_lift
    tall = _ARCH_Y - (skull.top_y - 0.85 * hair.lift)
    power = 2.35
    dome = (aside / wide) ** power + np.abs(np.minimum(canvas.column - _ARCH_Y, 0) / tall) ** power
    # At least a thin layer lies on the skull wherever it is wider than the dome.
    skin_tight = half_width + (0.3 * hair.lift + 0.01) - aside
    upper = np.maximum((1 - dome) * (wide / power), np.where(half_width > 0.3, skin_tight, -1))
    hugging = half_width + side_lift * np.clip(1 - 0.9 * (canvas.column - _ARCH_Y), 0.15, 1)
    hanging = (wide + 0.10 * hair.lift) + 0.05 * ramp(canvas.column, -0.2, 0.8)
    lower = np.maximum(hugging * (1 - hair.long) + hanging * hair.long, 0) - aside
    outer = np.where(canvas.column < _ARCH_Y, upper, lower)
    end = hair.end_y if hair.long > 0.1 else 0.16
    return np.minimum(inner, 1.5 * (end - canvas.column)), outer


def _hairline(face: Face, canvas: Canvas) -> np.ndarray:
    """Height of the hairline over the width of the canvas, (1, width)."""
    hair, skull = face.hair, face.skull
    x = canvas.row
    t = np.minimum(np.abs(x) / skull.cheek_w, 1.1)
    temples = 0.34 * hair.recession * np.exp(-(((t - 0.5) / 0.20) ** 2))
    sides = (1.05 + 0.1 * hair.long) * ramp(t, 0.56, 0.93)
    edge = hair.line_y + 0.12 * t * t - temples + sides
    fringe = 0.40 * np.exp(-(((x - 0.12 * hair.parting) / 0.66) ** 4))
    edge = edge + hair.fringe * fringe
    # Without a fringe the hair opens at the parting and sweeps over the other side of the forehead.
    parted = 1 - hair.fringe
    opening = 0.09 * np.exp(-(((x - 0.24 * hair.parting) / 0.17) ** 2))
    swept = np.clip(-x * copysign(1.0, hair.parting) / 0.7 + 0.2, 0, 1) * np.exp(-((x / 0.75) ** 4))
    sweep = 0.15 * min(abs(hair.parting), 1.0) * (1 - min(hair.recession * 1.5, 1.0)) * swept
    return edge + parted * (sweep - opening)


def _cover(
    face: Face, canvas: Canvas, shape: Head, strand: np.ndarray, lock: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """Share of the scalp that is hidden: full hair hides all, thin hair lets it shine through."""
    hair = face.hair
    thin = 1 - hair.cover
    crown_y = face.skull.top_y + 0.15
    bare = canvas.bumps([(thin + 0.25 * (1 - hair.crown_cover), 0, crown_y + 0.15, 0.62, 0.45)])
    bare += canvas.bumps([(1.5 * (1 - hair.crown_cover), 0, crown_y, 0.50, 0.40)])
    bare += 0.55 * thin
    gap = np.exp(-(((canvas.row - (0.24 * hair.parting)) / hair.parting_gap) ** 2))
    parted = (1 - hair.fringe) * (1 - hair.shortness) * (1 - 0.8 * hair.curl)
    bare = bare + 0.75 * parted * gap * (canvas.column < (hair.line_y + 0.2))
    bare = bare * shape.cover  # only where there is scalp to show
    threshold = 0.28 * strand + 0.22 * lock + 0.12 * other
    return np.clip(1.25 - 1.15 * bare + threshold * (0.15 + np.minimum(bare, 1)), 0.0, 1)


def _colour(
    face: Face,
    canvas: Canvas,
    light: Light,
    strand: np.ndarray,
    lock: np.ndarray,
    early_grey: np.ndarray,
    root: np.ndarray,
) -> np.ndarray:
    """Linear colour of the hair in the lamp's light."""
    hair = face.hair
    x, y = canvas.row / 1.35, np.clip((canvas.column - 0.1) / 2.2, -1, 1)
    out = np.sqrt(np.clip(1 - x * x - y * y, 0.02, 1))
    way_x, way_y, way_z = light.way
    facing = np.clip(way_x * x + way_y * y + way_z * out, 0, 1)
    body = 0.86 + 0.17 * lock + 0.13 * strand
    # Hair is darkest where it leaves the skin or turns under.
    body = np.clip(body, 0.3, 1.6) * np.clip(0.66 + 1.9 * root, 0.66, 1)
    level = (0.38 * light.ambient + 0.82 * light.key * facing) * body
    band = np.exp(-(((facing + 0.025 * lock - 0.86) / 0.075) ** 2)) * np.clip(
        0.7 + 0.4 * strand, 0, 2
    )
    band = max(hair.gloss, 0.02) * band
    grey = _grey_share(face, canvas, strand, early_grey)
    dark, white = hair.colour**2, GREY_HAIR**2
    channels = []
    for tone, pale in zip(dark.tolist(), white.tolist(), strict=True):
        pigment = tone + grey * (pale - tone)
        channels.append(pigment * level + band * (0.35 * pigment + 0.06))
    return cv2.merge([single(channel) for channel in channels])


def _grey_share(
    face: Face, canvas: Canvas, strand: np.ndarray, early_grey: np.ndarray
) -> np.ndarray:
    """Greyness 0..1 of each strand: the temples first, strand by strand, all in the end."""
    share = face.hair.grey
    if share == 0:
        return np.zeros((canvas.height, canvas.width), np.float32)
    temples = ramp(np.abs(canvas.row), 0.55, 1.0) * ramp(canvas.column, -1.5, -0.6)
    turned = 1.9 * share - 0.55 + 0.45 * temples + 0.14 * early_grey + 0.04 * strand
    return np.clip(turned, 0, 1) * min(1.0, 8 * share)
