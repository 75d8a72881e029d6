"""Greying: hair, beard and brows move by the room that is left towards white or dark."""

import numpy as np

from engine.photo.bands import blurred
from engine.photo.frame import Floats
from engine.photo.subject import PhotoSubject

WHITE, BLACK = 84.0, 7.0
"""L of white and of black hair in a photograph."""
MOST, MOST_YOUNGER = 42.0, 44.0
"""Levels of L by which hair may become lighter, or darker again."""
BROWS = 0.5
"""Share of the change that brows take: they grey later than the head."""
STRANDS = 0.25
"""How much stronger the fine detail of hair becomes as it greys: white strands among dark."""
FADED = 36.0
"""Levels of L by which hair of the population lightens while its colour goes."""
BROWN = (4.0, 12.0)
"""a and b that grey hair takes when it becomes dark again."""


def hair_change(
    subject: PhotoSubject, ages: tuple[float, float], gain: float
) -> tuple[Floats, Floats]:
    """The change of Lab (h, w, 3) of hair, and the share (h, w) by which its detail grows."""
    work, lab = subject.work, subject.work.lab
    layers, colour = work.layers, subject.view.masks.hair_colour
    light = lab[..., 0]
    # Brows: only what is darker than the skin beside it.
    plane = np.ascontiguousarray(light)
    beside = blurred(plane, 6.0 * work.per_frame) - blurred(plane, 1.0 * work.per_frame)
    brows = BROWS * layers.brows * np.clip((beside - 2) / 10, 0, 1) * (1 - layers.fixed)
    share = np.maximum(layers.hair * (1 - layers.fixed), brows)
    change = np.zeros_like(lab)
    start, goal = (subject.model.hair_at(age, subject.code) for age in ages)
    asked = float(goal[0] - start[0]) * gain
    mean = float(colour[0]) if colour is not None else float(start[0])
    if asked > 0:
        room = float(np.clip((WHITE - mean) / max(WHITE - start[0], 15.0), 0.15, 1.4))
    else:
        room = float(np.clip((mean - BLACK) / max(start[0] - BLACK, 10.0), 0.2, 1.4))
        # Only grey hair was darker once: blond and brown hair stay what they are.
        room *= _greyness(colour, work.colourful)
    step = float(np.clip(asked * room, -MOST_YOUNGER, MOST))
    soft = blurred(np.ascontiguousarray(light), 2.5 * work.per_frame)
    if asked > 0:
        # Deep shade stays shade, and what is lighter than this hair is hair with skin behind it.
        dark = 0.55 + 0.45 * soft / max(mean, 12.0)
        shade = np.clip(np.minimum(dark, 1.1 - (soft - mean) / 60), 0.25, 1.1)
        change[..., 0] = step * shade * share * np.clip((98 - light) / 20, 0, 1)
        grey = np.clip(asked / FADED, 0, 0.8)
        change[..., 1:] = -grey * share[..., None] * lab[..., 1:] * work.colourful
        return change, (STRANDS * step / MOST * share).astype(np.float32)
    # Thin hair over a scalp does not grow back: only what is surely hair becomes dark again.
    share = share * np.clip((share - 0.3) / 0.4, 0, 1)
    factor = max((mean + step) / max(mean, 1.0), 0.25)
    change[..., 0] = (factor - 1) * light * share
    brown = np.clip(-step / 30, 0, 0.6)
    change[..., 1:] = (
        brown * share[..., None] * (np.array(BROWN, np.float32) - lab[..., 1:]) * work.colourful
    )
    return change, np.zeros_like(light)


def _greyness(colour: Floats | None, colourful: float) -> float:
    """How grey hair is, 0.25..1, by its chroma; a grey photograph leaves it open."""
    if colour is None:
        return 0.5
    chroma = float(np.hypot(colour[1], colour[2]))
    grey = float(np.clip((20 - chroma) / 8, 0.3, 1))
    return 0.7 + (grey - 0.7) * colourful
