"""True pairs of decades: is the earlier photograph, aged, nearer to the true later photograph?

Nearer than the photograph as it is, and than the photograph aged in the wrong direction, by fits
that saw nobody of the judged fold. The later edition has cameras, sizes and light of its own: what
it adds to every measure is fitted on people who are in no pair, and taken off the true change.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.photo.ageing import age_subject
from engine.photo.bands import COUNT as BANDS
from engine.photo.features import FaceFeatures, features_of, view_of
from engine.photo.model import PhotoModel
from engine.photo.subject import prepare_subject
from evaluation.photos.models import FOLDS, Fits, fold_of, model_digest
from evaluation.photos.networks import Networks, Seen
from evaluation.photos.portraits import FITTED, LATER, Arrays, Cache, Portrait

LEAST_YEARS = 4.0
HAIR_SEEN = 500.0
NOISE = 1.2
"""Sigma in levels of the noise of the baseline, about the true growth of the finest band."""
JITTER, JPEG = 1.0, 90
"""Of measuring twice: pixels by which landmarks move, and the quality of coding anew."""
WAYS = ("aged", "wrong", "noise", "again")
"""Aged to the later age, aged as far in the wrong direction, as it is with noise, and the true
later photograph measured once more."""
HAIR = BANDS
"""Index of the lightness of hair behind the energies of the bands."""
Floats = NDArray[np.float64]


class Pair(NamedTuple):
    """Two portraits of one person."""

    earlier: Portrait
    later: Portrait

    @property
    def years(self) -> float:
        """Years between them."""
        return self.later.age - self.earlier.age


@dataclass(frozen=True, slots=True, eq=False)
class Offset:
    """What the later edition and sharpness add to measures (2, 5), and the edition to features."""

    measures: Floats
    features: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, eq=False)
class PairRows:
    """n pairs: changes (n, 5) of four bands and hair, and distances (n,) to the true later one.

    changes: `true`, `aged`, `wrong`, `noise` and `again`, and beside them the measures `before`;
    dlib, faceres: distances of `left`, `aged` and `wrong`.
    """

    pairs: Sequence[Pair]
    changes: dict[str, Floats]
    dlib: dict[str, Floats]
    faceres: dict[str, Floats]


def true_pairs(people: Sequence[Portrait]) -> list[Pair]:
    """People in both editions, four years apart or more."""
    places = {(p.person, p.edition): p for p in people}
    pairs = [
        Pair(p, places[p.person, LATER])
        for p in people
        if p.edition == FITTED and (p.person, LATER) in places
    ]
    return [pair for pair in pairs if pair.years > LEAST_YEARS]


def pair_rows(
    people: Sequence[Portrait],
    fits: Fits,
    networks: Networks,
    cache: Cache,
    most: int | None = None,
    shipped: PhotoModel | None = None,
) -> PairRows:
    """Judge every pair by the fit of the other four fifths of people.

    most: at most so many pairs, evenly from all folds; shipped: judge by it the pairs of `test`
    people instead, whom it did not see.
    """
    pairs = true_pairs(people)
    offset = _offset(people, pairs, fits, networks, cache)
    folds = fold_of([pair.earlier for pair in pairs])
    chosen: list[Pair] = []
    rows: list[Arrays] = []
    for fold in range(FOLDS):
        held = [pair for pair, at in zip(pairs, folds, strict=True) if at == fold]
        if shipped is not None:
            held = [pair for pair in held if pair.earlier.split == "test"]
        without = {pair.earlier.person for pair in held}
        model = fits.without(without, train_only=False) if shipped is None else shipped
        digest = model_digest(model)
        for pair in held[: None if most is None else most // FOLDS]:
            key = f"pair_{pair.earlier.key}_{digest}_{len(networks.names)}"
            rows.append(
                cache.get(key, lambda pair=pair, model=model: _pair(pair, fits, model, networks))
            )
            chosen.append(pair)
    return _rows(chosen, rows, fits, networks.untouched([p.later for p in chosen], cache),
                 networks.untouched([p.earlier for p in chosen], cache), offset)  # fmt: skip


def measures(face: FaceFeatures, skin: NDArray[np.floating]) -> Floats:
    """Mean log energy of the four bands over skin (80, 64), and the lightness of hair: (5,)."""
    energy = (face.detail * skin[..., None]).sum(axis=(0, 1)) / max(float(skin.sum()), 1e-6)
    hair = face.hair[0] if face.hair_pixels > HAIR_SEEN else np.nan
    return np.append(energy, hair).astype(np.float64)


def _offset(
    people: Sequence[Portrait],
    pairs: Sequence[Pair],
    fits: Fits,
    networks: Networks,
    cache: Cache,
) -> Offset:
    """By regression on age, sex, edition and sharpness, of people who are in no pair."""
    paired = {pair.earlier.person for pair in pairs}
    single = [p for p in people if p.person not in paired]
    faces = [fits.features(p) for p in single]
    z = np.array([(p.age - 57) / 15 for p in single])
    columns = [np.ones_like(z), z, z * z, np.array([p.sex == "F" for p in single], float)]
    columns.append(np.array([p.edition == LATER for p in single], float))
    design = np.stack([*columns, np.array([float(f.nuisance[0]) for f in faces])], axis=1)
    values = np.stack([measures(f, f.skin[::2, ::2]) for f in faces])
    fitted = []
    for column in values.T:
        known = np.isfinite(column)
        fitted.append(np.linalg.lstsq(design[known], column[known], rcond=None)[0][4:6])
    seen = [one.features for one in networks.untouched(single, cache)]
    if any(one is None for one in seen):
        return Offset(np.stack(fitted, axis=1), None)
    features = np.stack([one for one in seen if one is not None])
    # Without sharpness: it is part of what the edition adds to the features.
    by_edition = np.linalg.lstsq(design[:, :5], features, rcond=None)[0][4]
    return Offset(np.stack(fitted, axis=1), by_edition.astype(np.float32))


def _pair(pair: Pair, fits: Fits, model: Any, networks: Networks) -> Arrays:
    """Everything that needs pictures to be made, for one pair."""
    start, years = pair.earlier, pair.years
    subject = prepare_subject(start.pixels, start.face.landmarks, model, person=start.mask)
    first, last = fits.features(start), fits.features(pair.later)
    skin = np.minimum(first.skin, last.skin)[::2, ::2]
    made = {
        "aged": age_subject(subject, start.age, pair.later.age),
        "wrong": age_subject(subject, start.age, start.age - years),
        "noise": with_noise(start),
    }
    arrays: Arrays = {"skin": skin.astype(np.float32)}
    for name, pixels in made.items():
        view = view_of(pixels, start.face.landmarks, fits.mean, start.mask)
        arrays[f"{name} measures"] = measures(features_of(view, fits.mean), skin)
        if name != "noise":
            seen = networks.see(pixels, start.face)
            arrays[f"{name} descriptor"] = seen.descriptor
            if seen.features is not None:
                arrays[f"{name} features"] = seen.features
    again = _measured_again(pair.later, fits)
    arrays["again measures"] = measures(again, skin)
    return arrays


def with_noise(p: Portrait) -> NDArray[np.uint8]:
    """A portrait with noise of the finest band on the person, the same for everybody."""
    draw = np.random.default_rng(int(p.key[:8], 16))
    noise = draw.normal(0, NOISE, p.pixels.shape[:2]) * p.mask
    return np.clip(np.rint(p.pixels + noise[..., None]), 0, 255).astype(np.uint8)


def _measured_again(p: Portrait, fits: Fits) -> FaceFeatures:
    """The features of a portrait coded anew, with landmarks that are a little off."""
    draw = np.random.default_rng(int(p.key[:8], 16))
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG]
    _, coded = cv2.imencode(".jpg", np.ascontiguousarray(p.pixels[..., ::-1]), quality)
    pixels = np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])
    points = p.face.landmarks + draw.normal(0, JITTER, p.face.landmarks.shape)
    view = view_of(np.asarray(pixels, np.uint8), points.astype(np.float32), fits.mean, p.mask)
    return features_of(view, fits.mean)


def _rows(
    pairs: Sequence[Pair],
    rows: Sequence[Arrays],
    fits: Fits,
    later: Sequence[Seen],
    earlier: Sequence[Seen],
    offset: Offset,
) -> PairRows:
    changes: dict[str, list[Floats]] = {name: [] for name in ("before", "true", *WAYS)}
    dlib: dict[str, list[float]] = {name: [] for name in ("left", "aged", "wrong")}
    faceres: dict[str, list[float]] = {name: [] for name in dlib}
    for pair, row, goal, own in zip(pairs, rows, later, earlier, strict=True):
        first, last = fits.features(pair.earlier), fits.features(pair.later)
        before = measures(first, row["skin"])
        cameras = offset.measures[0] + offset.measures[1] * (last.nuisance[0] - first.nuisance[0])
        changes["before"].append(before)
        changes["true"].append(measures(last, row["skin"]) - before - cameras)
        changes["again"].append(row["again measures"] - before - cameras)
        for name in ("aged", "wrong", "noise"):
            changes[name].append(row[f"{name} measures"] - before)
        descriptors = {"left": own.descriptor} | {
            name: row[f"{name} descriptor"] for name in ("aged", "wrong")
        }
        for name, value in descriptors.items():
            dlib[name].append(float(np.linalg.norm(value - goal.descriptor)))
        if offset.features is not None and goal.features is not None:
            features = {"left": own.features} | {
                name: row[f"{name} features"] for name in ("aged", "wrong")
            }
            there = goal.features - offset.features
            for name, value in features.items():
                faceres[name].append(float(np.linalg.norm(value - there)))
    return PairRows(
        pairs,
        {name: np.stack(value) for name, value in changes.items()},
        {name: np.array(value) for name, value in dlib.items()},
        {name: np.array(value) for name, value in faceres.items() if value},
    )


def subset(rows: PairRows, where: NDArray[np.bool_]) -> PairRows:
    """Some of the pairs."""
    return dataclasses.replace(
        rows,
        pairs=[pair for pair, kept in zip(rows.pairs, where, strict=True) if kept],
        changes={name: value[where] for name, value in rows.changes.items()},
        dlib={name: value[where] for name, value in rows.dlib.items()},
        faceres={name: value[where] for name, value in rows.faceres.items()},
    )
