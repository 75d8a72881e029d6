"""Held-out figures: how much of what people look like the model predicts from their age.

The error of the predicted appearance change is given in shares of the error of leaving age out:
1 is what doing nothing reaches. For people with several dated pictures the change between these is
what is predicted; else faces are compared with the mean of the held-out ones.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.metrics.bootstrap import ratio_interval
from engine.photo.features import FaceFeatures
from engine.photo.fit import HAIR_SEEN
from engine.photo.model import CENTRE, PhotoModel, age_terms

PARTS = ("shape", "colour", "detail", "hair")
PAIR_YEARS = 4.0
"""Years between two pictures of a person from which their change is a figure."""
Doubles = NDArray[np.float64]


class MeasuredFace(NamedTuple):
    """The features of a face, the age in the picture, and the person."""

    features: FaceFeatures
    age: float
    person: str


class _Row(NamedTuple):
    """One comparison, (k,) each: the true change, the predicted one, and how much of it is seen."""

    left: Doubles
    change: Doubles
    weight: Doubles
    person: str


def appearance_figures(faces: Sequence[MeasuredFace], model: PhotoModel) -> dict[str, float]:
    """By part: the share of the error of doing nothing, with 95 % over people, and the slope.

    The slope is that of the true on the predicted change: 1 where changes are of the right size.
    `pairs/...` are of people with two pictures at least PAIR_YEARS apart. NaN for what cannot be
    measured.
    """
    figures: dict[str, float] = {"faces": float(len(faces))}
    for part in PARTS:
        figures |= _figures(_across(faces, model, part), part)
    pairs = _pairs(faces)
    figures["pairs"] = float(len(pairs))
    if pairs:
        for part in PARTS:
            figures |= _figures(_within(pairs, model, part), f"pairs/{part}")
    return figures


def _across(faces: Sequence[MeasuredFace], model: PhotoModel, part: str) -> Iterator[_Row]:
    """Differences of faces from the mean face; read twice, since there may be thousands."""
    total = left = change = np.zeros(1)
    for row in _faces(faces, model, part):
        total, left = total + row.weight, left + row.weight * row.left
        change = change + row.weight * row.change
    total = np.maximum(total, 1e-9)
    for row in _faces(faces, model, part):
        yield row._replace(left=row.left - left / total, change=row.change - change / total)


def _faces(faces: Sequence[MeasuredFace], model: PhotoModel, part: str) -> Iterator[_Row]:
    """What a face is beside that of its kind at CENTRE, and what its age makes of that."""
    for face in faces:
        weight = _weight(face.features, part)
        if weight is not None:
            code = model.appearance(face.features.code)
            ageless = np.tensordot(age_terms(CENTRE, code), getattr(model, part), 1)
            left = (getattr(face.features, part) - ageless).ravel()
            change = model.difference(part, CENTRE, face.age, code).ravel().astype(np.float64)
            yield _Row(left, change, weight, face.person)


def _within(
    pairs: Sequence[tuple[MeasuredFace, MeasuredFace]], model: PhotoModel, part: str
) -> Iterator[_Row]:
    """Changes between two pictures of each person."""
    for one, other in pairs:
        here, there = _weight(one.features, part), _weight(other.features, part)
        if here is not None and there is not None:
            codes = [model.appearance(face.features.code) for face in (one, other)]
            before, after = getattr(one.features, part), getattr(other.features, part)
            change = model.difference(part, one.age, other.age, sum(codes) / 2)
            left = (after.astype(np.float64) - before).ravel()
            yield _Row(left, change.ravel(), np.minimum(here, there), one.person)


def _pairs(faces: Sequence[MeasuredFace]) -> list[tuple[MeasuredFace, MeasuredFace]]:
    """Youngest and oldest picture of everybody who has two."""
    people: dict[str, list[MeasuredFace]] = {}
    for face in faces:
        people.setdefault(face.person, []).append(face)
    ends = (sorted(own, key=lambda face: face.age) for own in people.values())
    return [(own[0], own[-1]) for own in ends if own[-1].age - own[0].age >= PAIR_YEARS]


def _weight(face: FaceFeatures, part: str) -> Doubles | None:
    """How much each number of a part is seen in a face; None where none is."""
    if part == "shape":
        return np.ones(face.shape.size)
    if part == "hair":
        return np.ones(3) if face.hair_pixels > HAIR_SEEN else None
    skin = face.skin if part == "colour" else face.skin[::2, ::2]
    channels = getattr(face, part).shape[-1]
    return np.repeat(skin.ravel().astype(np.float64), channels) if skin.any() else None


def _figures(rows: Iterable[_Row], name: str) -> dict[str, float]:
    names = [f"{name}/{figure}" for figure in ("error", "error_low", "error_high", "slope")]
    sums: list[tuple[float, ...]] = []
    people: list[str] = []
    for y, d, w, person in rows:
        products = w * y * y, w * (y - d) ** 2, w * y * d, w * d * d
        sums.append(tuple(float(product.sum()) for product in products))
        people.append(person)
    if len(set(people)) < 2:
        return dict.fromkeys(names, float("nan"))
    left, made, product, predicted = np.array(sums).T
    if not left.sum() > 0:
        return dict.fromkeys(names, float("nan"))
    error = ratio_interval(made, left, groups=people)
    slope = product.sum() / predicted.sum() if predicted.sum() > 0 else np.nan
    return dict(zip(names, (*error, float(slope)), strict=True))
