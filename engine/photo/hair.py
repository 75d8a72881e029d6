"""Greying: hair, beard and brows move by the room that is left towards white or dark."""

import numpy as np

from engine.photo.bands import blurred
from engine.photo.frame import Floats
from engine.photo.subject import Layers, PhotoSubject

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
HAIRLINE, INSIDE, OUTSIDE = 1.3, 3.0, 6.0
"""Sigmas in frame pixels of a soft hairline, and of the hair and the skin about a pixel of it."""
TINT = (8.0, 16.0)
"""Levels of a and b by which hair and skin differ from which that tells them apart, and surely."""
AS_SKIN, AS_LIT_SKIN = (0.6, 1.0), (0.3, 0.55)
"""From which place on the way from the tint of hair to that of skin a pixel is skin, and surely:
beside dark hair, and beside white hair, which is as light as a highlight."""
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
        skin = subject.view.masks.skin_colour
        apart = blurred(_unlike_skin(lab, colour, skin, AS_SKIN), 0.7 * work.per_frame)
        apart = np.maximum(apart, np.clip(5 * share - 3.7, 0, 1))  # a brown fringe is hair
        share = np.maximum(share * apart, brows) * _among_skin(plane, mean, float(skin[0]))
        lighter = share * _whitened(plane, mean, step, work.per_frame)
        change[..., 0] = _between(plane, lighter, share, layers, work.per_frame)
        grey = np.clip(asked / FADED, 0, 0.8)
        tint = -grey * lab[..., 1:]
        change[..., 1:] = share[..., None] * _tinted(tint, goal - start, known) * work.colourful
        return change
    # Thin hair over a scalp does not grow back: only what is surely hair becomes dark again.
    share = share * np.clip((share - 0.1) / 0.4, 0, 1)
    apart = _unlike_skin(lab, colour, subject.view.masks.skin_colour, AS_LIT_SKIN)
    share = np.maximum(share * blurred(apart, 0.7 * work.per_frame), np.minimum(share, brows))
    share = _softened(share, layers.skin, work.per_frame)
    own = _darkened(plane, mean, step, work.per_frame)
    change[..., 0] = share * _as_inside(own, share, work.per_frame)
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


def _unlike_skin(
    lab: Floats, hair: Floats | None, skin: Floats, like: tuple[float, float]
) -> Floats:
    """How far each pixel (h, w) is hair by its a and b: skin in the shade of hair is as dark as it
    but keeps its tint, and a highlight keeps some of it. 1 where hair has the tint of skin, too.

    like: from which place on the way from the tint of hair to that of skin it is skin, and surely.
    """
    if hair is None:
        return np.ones(lab.shape[:2], np.float32)
    shade = np.clip(lab[..., :1] / max(float(skin[0]), 1.0), 0.2, 1.0)
    line = shade * skin[1:] - hair[1:]
    length = np.sqrt(np.einsum("hwc,hwc->hw", line, line))
    place = np.einsum("hwc,hwc->hw", lab[..., 1:] - hair[1:], line) / np.maximum(length, 1.0) ** 2
    trust = np.clip((length - TINT[0]) / (TINT[1] - TINT[0]), 0, 1)
    return 1 - trust * np.clip((place - like[0]) / (like[1] - like[0]), 0, 1)


def _between(
    light: Floats, lighter: Floats, share: Floats, layers: Layers, per_frame: float
) -> Floats:
    """The change of L (h, w), held so that a hairline comes out between hair and skin, no halo."""
    full = ((layers.hair > 0.9) & (share > 0.6)).astype(np.float32)
    bare = ((layers.skin > 0.6) & (share < 0.3)).astype(np.float32)
    hair, hair_near = _mean_about(light + lighter, full, INSIDE * per_frame)
    face, face_near = _mean_about(light, bare, OUTSIDE * per_frame)
    most = np.maximum(share * hair + (1 - share) * face - light, 0)
    trust = np.clip(20 * hair_near, 0, 1) * np.clip(20 * face_near, 0, 1)
    trust = trust * np.clip(8 * (1 - share), 0, 1)
    return lighter + (np.minimum(lighter, most) - lighter) * trust


def _mean_about(values: Floats, weights: Floats, sigma: float) -> tuple[Floats, Floats]:
    """The mean (h, w) of values about each pixel under weights (h, w), and the blurred weights."""
    total = blurred(weights, sigma)
    return blurred(values * weights, sigma) / np.maximum(total, 1e-4), total


def _softened(share: Floats, skin: Floats, per_frame: float) -> Floats:
    """Shares of hair (h, w) that run out towards skin, where dark hair would end as if painted."""
    soft, near = blurred(share, HAIRLINE * per_frame), blurred(skin, HAIRLINE * per_frame)
    return share + (soft - share) * np.clip(2 * near, 0, 1)


def _as_inside(change: Floats, share: Floats, per_frame: float) -> Floats:
    """A change (h, w) of hair that goes on over its rim: a pixel that is partly hair changes by its
    share of what hair does, not of what its own lightness says.
    """
    inside = np.clip((share - 0.7) / 0.2, 0, 1)
    mean, weight = _mean_about(change, inside, INSIDE * per_frame)
    trust = (1 - share) * np.clip(weight * 20, 0, 1)
    return change + (np.minimum(mean, change) - change) * trust


def _greyness(colour: Floats | None, colourful: float) -> float:
    """How grey hair is, 0.25..1, by its chroma; a grey photograph leaves it open."""
    if colour is None:
        return 0.5
    chroma = float(np.hypot(colour[1], colour[2]))
    grey = float(np.clip((20 - chroma) / 8, 0.3, 1))
    return 0.7 + (grey - 0.7) * colourful
