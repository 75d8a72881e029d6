"""Greying: hair, beard and brows move by the room that is left towards white or dark."""

import numpy as np

from engine.photo.bands import blurred
from engine.photo.frame import Floats
from engine.photo.subject import PhotoSubject

WHITE, BLACK = 84.0, 7.0
"""L of white and of black hair in a photograph."""
MOST, MOST_YOUNGER = 46.0, 60.0
"""Levels of L by which hair may become lighter, or darker again."""
BROWS = 0.5
"""Share of the change that brows take: they grey later than the head."""
SHADE, SHINE = 0.8, 0.45
"""Exponents of the tone curve under and over the mean of the hair. White hair scatters light: its
shine stands out less than that of dark hair, and its shade stays nearly as deep in proportion."""
FULL = 10.0
"""Levels of L by which hair becomes lighter from which the curve holds; less is a share of it."""
MOST_SHINE = 1.5
"""How much lighter than its mean hair may shine when it is white."""
MOST_SHARP = 2.2
"""Most by which the strands of hair grow in contrast as it greys: dark hair hides its noise."""
LESS_SHARP = 0.3
"""Most of that contrast that they lose as it becomes dark again."""
STRAND = 8.0
"""Levels of L by which a strand may differ from its lock; more is an edge."""
DARKER = 15.0
"""Levels of L by which hair is darker than skin where lightness tells them apart."""
FADED = 36.0
"""Levels of L by which hair of the population lightens while its colour goes."""
BROWN = (4.0, 12.0)
"""a and b that grey hair takes when it becomes dark again."""


def hair_change(subject: PhotoSubject, ages: tuple[float, float], gain: float) -> Floats:
    """The change of Lab (h, w, 3) of hair."""
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
        room = float(np.clip((mean - BLACK) / max(start[0] - BLACK, 10.0), 0.2, 2.2))
        # Only grey hair was darker once: blond and brown hair stay what they are.
        room *= _greyness(colour, work.colourful)
    known = subject.model.hair_known(*ages)
    room += (1 - room) * known
    step = float(np.clip(asked * room, -MOST_YOUNGER, MOST))
    if asked > 0:
        share = share * _among_skin(plane, mean, float(subject.view.masks.skin_colour[0]))
        change[..., 0] = share * _whitened(plane, mean, step, work.per_frame)
        grey = np.clip(asked / FADED, 0, 0.8)
        tint = -grey * lab[..., 1:]
        change[..., 1:] = share[..., None] * _tinted(tint, goal - start, known) * work.colourful
        return change
    # Thin hair over a scalp does not grow back: only what is surely hair becomes dark again.
    share = share * np.clip((share - 0.1) / 0.4, 0, 1)
    change[..., 0] = share * _darkened(plane, mean, step, work.per_frame)
    brown = np.clip(-step / 30, 0, 0.6)
    tint = brown * (np.array(BROWN, np.float32) - lab[..., 1:])
    change[..., 1:] = share[..., None] * _tinted(tint, goal - start, known) * work.colourful
    return change


def _tinted(tint: Floats, step: Floats, known: float) -> Floats:
    """The change of a and b (h, w, 2): that of most people, or the person's own as far as known."""
    return tint + (step[1:] - tint) * known


def _among_skin(light: Floats, mean: float, skin: float) -> Floats:
    """How far each pixel (h, w) is hair by its L: as light as skin, among dark hair, it is skin."""
    if skin - mean < DARKER:
        return np.ones_like(light)
    return np.clip(1.3 * (1 - (light - mean) / (skin - mean)), 0, 1).astype(np.float32)


def _whitened(light: Floats, mean: float, step: float, per_frame: float) -> Floats:
    """The change of L (h, w) of hair whose mean becomes lighter by `step`.

    Light and shade are scaled, not shifted, or dark hair would turn to milk: shadows between its
    locks stay shadows.
    """
    mean = max(mean, 4.0)
    soft = blurred(light, 1.6 * per_frame)
    ratio = np.maximum(soft, 0.5) / mean
    curve = np.where(ratio < 1, ratio**SHADE, np.minimum(ratio**SHINE, MOST_SHINE))
    goal = (mean + step) * curve
    # Towards white the curve bends over: nothing burns out.
    goal = np.where(goal > 70, 70 + 24 * np.tanh((goal - 70) / 24), goal)
    goal = soft + np.maximum(goal - soft, 0) * min(step / FULL, 1)
    sharper = np.clip((goal + 6) / (soft + 6), 1, MOST_SHARP)
    strands = STRAND * np.tanh((light - soft) / STRAND)
    return np.asarray(goal - soft + strands * (sharper - 1), np.float32)


def _darkened(light: Floats, mean: float, step: float, per_frame: float) -> Floats:
    """The change of L (h, w) of hair whose mean becomes darker by `step`, a negative number.

    The shine of dark hair stands out more than that of white hair.
    """
    mean = max(mean, 4.0)
    soft = blurred(light, 1.6 * per_frame)
    ratio = np.maximum(soft, 0.5) / mean
    curve = np.where(ratio < 1, ratio, ratio ** (1 + SHINE))
    goal = np.minimum(max(mean + step, 0.25 * mean) * curve, soft)
    # White hair has little contrast of its own, from which dark hair would come out flat.
    less = np.maximum(goal / np.maximum(soft, 0.5) - 1, -LESS_SHARP)
    return np.asarray(goal - soft + np.clip(light - soft, -STRAND, STRAND) * less, np.float32)


def _greyness(colour: Floats | None, colourful: float) -> float:
    """How grey hair is, 0.25..1, by its chroma; a grey photograph leaves it open."""
    if colour is None:
        return 0.5
    chroma = float(np.hypot(colour[1], colour[2]))
    grey = float(np.clip((20 - chroma) / 8, 0.3, 1))
    return 0.7 + (grey - 0.7) * colourful
