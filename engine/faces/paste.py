"""Putting a portrait back into the photo its face was cut from."""

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.faces.crop import crop_face
from engine.faces.rotation import Pixels
from engine.geometry.ffhq import Quad

# The head in FFHQ's square, as a rounded oval; beyond it the photo's own background stays.
CENTRE, RADII, ROUNDNESS = (0.5, 0.5), (0.43, 0.485), 3.0
# The portrait fades out over this outer share of the oval.
FADE = 0.25
# Colours are matched by at most this factor: more would undo grey hair or a pale old skin.
GAIN = 1.25
LARGEST = 120e6

Floats = NDArray[np.float32]


def paste_face(
    photo: Pixels,
    portrait: Pixels,
    quad: Quad,
    *,
    gain: Floats | None = None,
    enlarge: bool = True,
    shown: Floats | None = None,
    hues_kept: Floats | None = None,
) -> Pixels:
    """The photo (h, w, 3) with the portrait (s, s, 3) in its quad, feathered and colour-matched.

    shown: how much of the portrait shows within the oval, (s, s) in 0..1; hues_kept: where the
    photo's own hues stay, such as in the eyes, (s, s) in 0..1.
    Worked at the larger of both resolutions: a photo coarser than the portrait is enlarged, up to
    120 megapixels, unless `enlarge` is off. gain: (3,) of `colour_gain`, measured here if None.
    """
    if not enlarge and quad.side < portrait.shape[0]:
        side = max(round(quad.side), 2)
        small = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
        portrait = np.asarray(small, np.uint8)
        shown, hues_kept = (
            None if layer is None else _shrunk(layer, side) for layer in (shown, hues_kept)
        )
    size = portrait.shape[0]
    height, width = photo.shape[:2]
    scale = min(max(size / quad.side, 1.0), max((LARGEST / (height * width)) ** 0.5, 1.0))
    if scale > 1.0 and enlarge:
        sides = (round(width * scale), round(height * scale))
        photo = np.asarray(cv2.resize(photo, sides, interpolation=cv2.INTER_CUBIC), np.uint8)
        quad = quad.scaled(scale)
    left, top, right, bottom = _bounds(quad, photo)
    if left >= right or top >= bottom:
        return photo.copy()
    if gain is None:
        gain = colour_gain(portrait, crop_face(photo, quad, size))
    matched = (portrait * gain).astype(np.float32)
    opacity = oval(size) if shown is None else oval(size) * shown
    layers = np.dstack([matched, opacity])
    # From a pixel of the portrait to the unit square, to the photo, to the patch of it.
    to_photo = quad.to_source @ np.array(
        [[1 / size, 0, 0.5 / size], [0, 1 / size, 0.5 / size], [0, 0, 1]]
    )
    to_photo[:, 2] -= (left, top)
    sides, constant = (right - left, bottom - top), cv2.BORDER_CONSTANT
    flags = cv2.INTER_CUBIC if quad.side > size else cv2.INTER_LINEAR
    warped = cv2.warpAffine(layers, to_photo, sides, flags=flags, borderMode=constant)
    result = photo.copy()
    patch = result[top:bottom, left:right]
    alpha = np.clip(warped[..., 3:], 0, 1)
    # The border of the warp is black: what is not the portrait's at all must not darken the edge.
    pasted = np.clip(patch + alpha * (warped[..., :3] - patch), 0, 255)
    if hues_kept is not None:
        kept = cv2.warpAffine(hues_kept, to_photo, sides, flags=cv2.INTER_LINEAR)[..., None]
        original = patch.astype(np.float32)
        pasted = _with_hues(pasted.astype(np.float32), original, kept.astype(np.float32))
    patch[:] = pasted.round().astype(np.uint8)
    return result


def _shrunk(layer: Floats, side: int) -> Floats:
    return np.asarray(cv2.resize(layer, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def _with_hues(pictures: Floats, hues: Floats, share: Floats) -> Floats:
    """A picture (h, w, 3) of 0..255 with a share (h, w, 1) of the hue and chroma of another."""
    lab, other = (cv2.cvtColor(one / 255, cv2.COLOR_RGB2LAB) for one in (pictures, hues))
    lab[..., 1:] += share * (other[..., 1:] - lab[..., 1:])
    mixed = np.clip(255 * cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 255)
    return np.where(share > 0, mixed, pictures).astype(np.float32)


def oval(size: int) -> Floats:
    """How much of the portrait shows at each pixel: (size, size), 1 inside, fading to 0."""
    ticks = ((np.arange(size) + 0.5) / size).astype(np.float32)
    x, y = np.abs(ticks - CENTRE[0]) / RADII[0], np.abs(ticks - CENTRE[1]) / RADII[1]
    radius = (x[None] ** ROUNDNESS + y[:, None] ** ROUNDNESS) ** (1 / ROUNDNESS)
    share = np.clip((1 - radius) / FADE, 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def colour_gain(portrait: Pixels, original: Pixels) -> Floats:
    """The factor of each channel (3,) by which a portrait's fading rim has the photo's mean."""
    mask = oval(portrait.shape[0])
    rim = ((mask > 0) & (mask < 1)).astype(np.float32)[..., None]
    theirs, ours = ((picture * rim).sum((0, 1)) / rim.sum() for picture in (original, portrait))
    return np.clip((theirs + 1) / (ours + 1), 1 / GAIN, GAIN).astype(np.float32)


def _bounds(quad: Quad, photo: Pixels) -> tuple[int, int, int, int]:
    height, width = photo.shape[:2]
    (left, top), (right, bottom) = quad.corners.min(axis=0), quad.corners.max(axis=0)
    return (
        max(int(np.floor(left)), 0),
        max(int(np.floor(top)), 0),
        min(int(np.ceil(right)) + 1, width),
        min(int(np.ceil(bottom)) + 1, height),
    )
