"""A person's own age functions: the prior, and how this person departs from it.

The deviations of shape, colour, hair and detail are fitted apart (`deviation.py`) and kept as a few
curves over age with a map each. Spots whose deviation does not stand out of their noise lose it
(positive-part shrinkage; Efron and Morris 1973). The gains of the prior make up for what averaging
over people takes away. A person's own change was not averaged: between the ages of the photographs
the gains give way to it, as far as the photographs settle it; beyond them they hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.core.errors import WeightsError
from engine.photo.ageing import BROAD
from engine.photo.bands import blurred
from engine.photo.deviation import Doubles, Posterior, fit_deviation
from engine.photo.features import FaceFeatures
from engine.photo.fit import HAIR_SEEN
from engine.photo.frame import MIRROR, Floats
from engine.photo.model import (
    SHAPES,
    PhotoModel,
    age_terms,
    photo_checkpoint,
    photo_model_of,
    read_photo_checkpoint,
)
from engine.weights.checkpoint import Checkpoint

PERSONAL = "personal"
PARTS = ("shape", "colour", "detail", "hair")
KNOTS = np.arange(18.0, 103.0, 4.0)
"""Ages at which the curves are kept; between them they are straight."""
CURVES = 4
"""Curves of a part, each with a map."""
POOL = 3.0
"""Sigma in cells over which spots are taken together."""
LEAST_GAIN = 1e-3
FEWEST = 3
PERSONAL_SHAPES: dict[str, tuple[int, ...]] = {
    "span": (2,),
    "identity": (128,),
    "certainty": (len(PARTS),),
    "curves": (len(PARTS), len(KNOTS), CURVES),
    **{part: (CURVES, *SHAPES[part][1:]) for part in PARTS},
}
LARGEST_NUMBER = 500.0


@dataclass(frozen=True, slots=True, eq=False)
class Deviation:
    """How a person departs from the prior, float32.

    span: (2,) lowest and highest age of the photographs; identity: (128,) mean of their dlib
    descriptors, 0 where it is not known; certainty: (4,) how much of the change of each of PARTS
    the photographs settle, 0..1; curves: (4, 22, 4), of each of PARTS at KNOTS; the parts:
    (4, ...), a map for each curve, in the units of the prior.
    """

    span: Floats
    identity: Floats
    certainty: Floats
    curves: Floats
    shape: Floats
    colour: Floats
    detail: Floats
    hair: Floats

    def at(self, part: str, age: float) -> Floats:
        """The deviation of a part at an age.

        Beyond the photographs it stays what it was in the last of them, so that from there on the
        person changes as the prior does: who had greyed late is not grey at once.
        """
        low, high = self.span.tolist()
        age = float(np.clip(age, low, high))
        curves = self.curves[PARTS.index(part)]
        now = np.array([np.interp(age, KNOTS, curve) for curve in curves.T], np.float32)
        return np.tensordot(now, getattr(self, part), 1).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PersonalModel(PhotoModel):
    """A prior with the deviation of one person."""

    own: Deviation

    @property
    def ages(self) -> tuple[float, float]:
        """Lowest and highest age of the person's photographs."""
        low, high = self.own.span.tolist()
        return low, high

    def difference(self, name: str, start: float, goal: float, code: float) -> Floats:
        """The fitted change from one age to another, of PARTS, to be multiplied by its gain.

        The change beyond the photographs is the prior's; the one between them is such that the
        gain leaves it as the photographs have it.
        """
        first, last = np.clip([start, goal], *self.ages).tolist()
        change = PhotoModel.difference(self, name, start, goal, code)
        between = PhotoModel.difference(self, name, first, last, code)
        own = self.own.at(name, goal) - self.own.at(name, start)
        gains = self.gains(goal > start, code)
        settled = float(self.own.certainty[PARTS.index(name)])

        def ungained(prior: Floats, own: Floats, gain: float) -> Floats:
            kept = gain + (1 - gain) * settled
            return (prior * kept + own) / max(gain, LEAST_GAIN)

        if name != "colour":
            return change - between + ungained(between, own, gains[name])
        # What is finer in colour has the gain of folds.
        broad, own_broad = blurred(between, BROAD), blurred(own, BROAD)
        fine = ungained(between - broad, own - own_broad, gains["folds"])
        return change - between + ungained(broad, own_broad, gains[name]) + fine

    def hair_at(self, age: float, code: float) -> Floats:
        """Mean Lab of the person's hair at an age, but for a constant."""
        return PhotoModel.hair_at(self, age, code) + self.own.at("hair", age)

    def refined_until(self, start: float, goal: float) -> float:
        """The age up to which the refiner changes a face of an age `start`.

        It makes up for what means over people lack, as the gains do: between the ages of the
        photographs it gives way to the person's own detail, as far as they settle that.
        """
        first, last = np.clip([start, goal], *self.ages).tolist()
        return goal - float(self.own.certainty[PARTS.index("detail")]) * (last - first)

    def hair_known(self, start: float, goal: float) -> float:
        """As far as the photographs settle it, and the ages lie between theirs."""
        first, last = np.clip([start, goal], *self.ages).tolist()
        between = abs(last - first) / max(abs(goal - start), 1e-6)
        return float(self.own.certainty[PARTS.index("hair")]) * between


class PersonalFit(NamedTuple):
    """A deviation, (n,) how much every photograph counted, and by part the chance that it is real.

    photos: 1 for a photograph that fits the others, near 0 for one that they contradict.
    """

    deviation: Deviation
    photos: Doubles
    hold: Mapping[str, float]


def fit_person(
    faces: Sequence[FaceFeatures],
    ages: NDArray[np.floating],
    errors: NDArray[np.floating],
    prior: PhotoModel,
    identity: Floats | None = None,
) -> PersonalFit:
    """Fit the deviation of n photographs of one person, measured in the prior's frame.

    ages, errors: (n,) years, and how wrong they may be; identity: (128,), kept as it is. ValueError
    for fewer than FEWEST.
    """
    ages, errors = np.asarray(ages, np.float64), np.asarray(errors, np.float64)
    code = float(np.mean([prior.appearance(face.code) for face in faces]))
    nuisances = np.stack([face.nuisance for face in faces]).astype(np.float64)
    photos = np.ones(len(faces))
    values: dict[str, Doubles] = {}
    for part in ("shape", "detail", "colour"):
        values[part] = _residuals(faces, ages, prior, part, code)
        photos *= fit_deviation(values[part], ages, errors, nuisances).photos
    seen = np.array([face.hair_pixels > HAIR_SEEN for face in faces])
    values["hair"] = _residuals(faces, ages, prior, "hair", code)
    arrays: dict[str, Floats] = {}
    curves = np.zeros(PERSONAL_SHAPES["curves"], np.float32)
    certainty = np.zeros(PERSONAL_SHAPES["certainty"], np.float32)
    hold: dict[str, float] = {}
    for index, part in enumerate(PARTS):
        rows = seen if part == "hair" else np.ones(len(faces), bool)
        arrays[part] = np.zeros(PERSONAL_SHAPES[part], np.float32)
        hold[part] = 0.0
        if rows.sum() < FEWEST:
            continue
        own = values[part][rows]
        fitted = fit_deviation(own, ages[rows], errors[rows], nuisances[rows], photos[rows])
        hold[part] = fitted.hold
        certainty[index] = fitted.certainty
        share = _standing_out(fitted, own, part)
        curves[index], arrays[part] = _curves(fitted, own * share, part)
    span = np.array([ages.min(), ages.max()], np.float32)
    identity = np.zeros(PERSONAL_SHAPES["identity"], np.float32) if identity is None else identity
    return PersonalFit(Deviation(span, identity, certainty, curves, **arrays), photos, hold)


def prediction_errors(
    part: str,
    known: Sequence[FaceFeatures],
    known_ages: NDArray[np.floating],
    unseen: Sequence[FaceFeatures],
    ages: NDArray[np.floating],
    model: PhotoModel | None,
    prior: PhotoModel,
) -> Doubles:
    """Squared errors (m,) with which a model predicts m unseen photographs from the known ones.

    The person's constant looks are those of the known ones. model: None predicts no ageing. Hair is
    compared where it was seen; a photograph that cannot be compared has the error 0.
    """
    faces = [*known, *unseen]
    code = float(np.mean([prior.appearance(face.code) for face in known]))
    every = np.concatenate([np.asarray(known_ages, np.float64), np.asarray(ages, np.float64)])
    left = np.stack([getattr(face, part) for face in faces]).reshape(len(faces), -1)
    left = left.astype(np.float64)
    if model is not None:
        left -= _expected(prior, part, every, code).reshape(len(faces), -1)
    if isinstance(model, PersonalModel):
        left -= np.stack([model.own.at(part, age).ravel() for age in every])
    weights = np.stack([_seen(face, part) for face in faces])
    count = len(known)
    looks = (left[:count] * weights[:count]).sum(axis=0)
    looks /= np.maximum(weights[:count].sum(axis=0), 1e-6)
    return ((left[count:] - looks) ** 2 * weights[count:]).sum(axis=1)


def _seen(face: FaceFeatures, part: str) -> Doubles:
    """How much a photograph shows of every number (p,) of a part."""
    if part == "shape":
        return np.ones(face.shape.size)
    if part == "hair":
        return np.full(3, float(face.hair_pixels > HAIR_SEEN))
    skin = face.skin if part == "colour" else face.skin[::2, ::2]
    return np.repeat(skin.ravel().astype(np.float64), SHAPES[part][-1])


def with_deviation(prior: PhotoModel, own: Deviation) -> PersonalModel:
    """The prior with a person's deviation."""
    arrays = {field.name: getattr(prior, field.name) for field in fields(PhotoModel)}
    return PersonalModel(**arrays, own=own)


def personal_checkpoint(model: PersonalModel, card: Mapping[str, Any]) -> Checkpoint:
    """What a file of the model holds: the prior, and the person beside it."""
    prior = photo_checkpoint(model, card)
    state = {
        name: torch.from_numpy(np.ascontiguousarray(getattr(model.own, name), np.float32))
        for name in PERSONAL_SHAPES
    }
    parts = {**prior.parts, PERSONAL: state}
    return Checkpoint(prior.kind, parts, None, facts=prior.facts, card=prior.card)


def load_model(path: Path) -> PhotoModel:
    """Read a photo model, a person's or the prior; WeightsError unless all of it is sound."""
    checkpoint = read_photo_checkpoint(path)
    model = photo_model_of(path, checkpoint, beside=(PERSONAL,))
    if PERSONAL not in checkpoint.parts:
        return model
    return with_deviation(model, _deviation_of(path, checkpoint.parts[PERSONAL]))


def _deviation_of(path: Path, state: Mapping[str, Tensor]) -> Deviation:
    if set(state) != set(PERSONAL_SHAPES):
        raise WeightsError(f"`{path}` lacks or adds arrays of a person's model")
    arrays: dict[str, Floats] = {}
    for name, shape in PERSONAL_SHAPES.items():
        tensor = state[name]
        if tuple(tensor.shape) != shape or not tensor.is_floating_point():
            raise WeightsError(f"`{name}` in `{path}` is {tuple(tensor.shape)}, not {shape}")
        array = tensor.float().numpy()
        if not np.isfinite(array).all() or np.abs(array).max() > LARGEST_NUMBER:
            raise WeightsError(f"`{name}` in `{path}` holds numbers that no person's model has")
        arrays[name] = array
    certainty = arrays["certainty"]
    if certainty.min() < 0 or certainty.max() > 1:
        raise WeightsError(f"`certainty` in `{path}` holds numbers that are no shares")
    return Deviation(**arrays)


def _residuals(
    faces: Sequence[FaceFeatures], ages: Doubles, prior: PhotoModel, part: str, code: float
) -> Doubles:
    """Numbers of a part (n, p) less the prior's; what a photograph does not show is its mean."""
    left = np.stack([getattr(face, part) for face in faces]) - _expected(prior, part, ages, code)
    left = left.reshape(len(faces), -1).astype(np.float64)
    if part in ("shape", "hair"):
        return left
    weights = np.stack([_seen(face, part) for face in faces])
    mean = (left * weights).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-6)
    # Spots that hardly any photograph shows are left to the prior.
    return (left - mean) * weights * weights.mean(axis=0)


def _expected(prior: PhotoModel, part: str, ages: Doubles, code: float) -> Doubles:
    """What the prior has for n ages, (n, ...): of hair what it applies, which is no polynomial."""
    if part == "hair":
        return np.stack([prior.hair_at(age, code) for age in ages]).astype(np.float64)
    terms = np.stack([age_terms(age, code) for age in ages])
    return np.asarray(np.tensordot(terms, getattr(prior, part), 1), np.float64)


def _standing_out(fitted: Posterior, values: Doubles, part: str) -> Doubles:
    """The share (p,) of each number's deviation that is kept.

    1 where it is as large as the deviations of the part are, 0 where it is as large as noise makes
    it. Neighbours on the face are taken together.
    """
    smoother = fitted.weights_at(fitted.ages)
    smoother = smoother - smoother.mean(axis=0)
    made = ((smoother @ values) ** 2).sum(axis=0)
    spread = 1 / np.maximum(fitted.photos, 1e-3)
    chance = float((smoother**2 * spread).sum())
    real = float(np.trace(smoother @ fitted.signal @ smoother.T))
    noise = fitted.noise
    if part in ("colour", "detail"):
        made, noise = (_pooled(plane, part) for plane in (made, noise))
    return np.clip((made - chance * noise) / np.maximum(real * noise, 1e-12), 0, 1)


def _pooled(plane: Doubles, part: str) -> Doubles:
    """A map (p,) of squares, averaged over neighbours and over both sides of the face."""
    maps = plane.reshape(SHAPES[part][1:]).astype(np.float32)
    maps = (maps + maps[:, ::-1]) / 2
    soft = [blurred(np.ascontiguousarray(channel), POOL) for channel in np.moveaxis(maps, -1, 0)]
    return np.stack(soft, axis=-1).ravel().astype(np.float64)


def _curves(fitted: Posterior, values: Doubles, part: str) -> tuple[Floats, Floats]:
    """The deviation at KNOTS as curves (22, 4) and maps (4, ...), symmetric as faces."""
    smoother = fitted.weights_at(KNOTS)
    left, size, right = np.linalg.svd(smoother @ values, full_matrices=False)
    rank = min(CURVES, len(size))
    curves = np.zeros(PERSONAL_SHAPES["curves"][1:], np.float32)
    maps = np.zeros(PERSONAL_SHAPES[part], np.float32)
    scale = np.sqrt(size[:rank])
    curves[:, :rank] = left[:, :rank] * scale
    maps[:rank] = (right[:rank] * scale[:, None]).reshape(rank, *SHAPES[part][1:])
    if part == "shape":
        return curves, (maps + maps[:, MIRROR] * np.array([-1, 1], np.float32)) / 2
    if part == "hair":
        return curves, maps
    return curves, (maps + maps[:, :, ::-1]) / 2
