"""Applying the refiner to a photograph: what the network sees of a face, and where it may act."""

import cv2
import numpy as np
import torch

from engine.photo.frame import HEIGHT, WIDTH, Floats, aligned
from engine.photo.refiner import RefinerNet, softened
from engine.photo.subject import Layers, WorkingCopy, frame_to_work

SIDE, LEFT, TOP = 192, 32, 64
"""The square of the frame that the network sees, in px, and where it begins."""
RIM = 8
"""Pixels at its rim over which the change ends."""
IN_BROWS = 0.5
"""Share of the change on brows."""


def refinable(layers: Layers) -> Floats:
    """Where the refiner may change a working copy: (h, w) in 0..1."""
    skin = np.maximum(layers.skin, IN_BROWS * layers.brows)
    return np.asarray(skin * (1 - layers.fixed) * layers.face, np.float32)


def square_of(plane: Floats, work: WorkingCopy) -> Floats:
    """What the network sees of a plane (h, w) or (h, w, c) of a working copy: (192, 192[, c])."""
    return aligned(plane, work.to_frame)[TOP : TOP + SIDE, LEFT : LEFT + SIDE]


@torch.inference_mode()
def refined(
    net: RefinerNet, work: WorkingCopy, change: Floats, ages: tuple[float, float]
) -> Floats:
    """The change of a working copy's levels (h, w, 3) with that of the refiner.

    ages: in the photograph and asked for.
    """
    changed = np.clip(work.rgb + change, 0, 255)
    allowed = refinable(work.layers)
    mask = square_of(allowed, work)
    picture = np.clip(square_of(changed, work), 0, 255) / 127.5 - 1
    source, target = (torch.tensor([age], dtype=torch.float32) for age in ages)
    raw = net(
        torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32))[None],
        torch.from_numpy(np.ascontiguousarray(mask, np.float32))[None, None],
        source,
        target,
    )
    light = softened(raw)[0, 0].numpy()
    frame = np.zeros((HEIGHT, WIDTH), np.float32)
    frame[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = light * _rim()
    factor = cv2.exp(frame_to_work(frame, work.to_frame, work.size) * allowed)
    return np.asarray(changed * factor[..., None] - work.rgb, np.float32)


def _rim() -> Floats:
    """1 within the square, falling to 0 at its rim: (192, 192)."""
    at = np.minimum(np.arange(SIDE), np.arange(SIDE)[::-1]) / RIM
    ramp = np.clip(at, 0, 1).astype(np.float32)
    return np.minimum(ramp[None], ramp[:, None])
