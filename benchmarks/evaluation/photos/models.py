"""The photo models that are judged: the one that ships, or one for each fold of people."""

import copy
import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.photo import ageing
from engine.photo.features import FaceFeatures, features_of, view_of
from engine.photo.fit import fit_photo_model
from engine.photo.frame import Floats, extended, mean_shape
from engine.photo.model import PhotoModel
from evaluation.photos.portraits import FITTED, Arrays, Cache, Portrait

FOLDS = 5
HALF = "float16"
SOURCES = tuple(sorted(Path(ageing.__file__).parent.glob("*.py")))


def code_digest() -> str:
    """A digest of the code of the photo model; when it changes, what was kept is void."""
    text = b"".join(path.read_bytes() for path in SOURCES)
    return hashlib.sha256(text).hexdigest()[:12]


def model_digest(model: PhotoModel) -> str:
    """A digest of a model's arrays and of the code that applies them."""
    digest = hashlib.sha256(code_digest().encode())
    for field in dataclasses.fields(model):
        digest.update(np.ascontiguousarray(getattr(model, field.name)).tobytes())
    return digest.hexdigest()[:12]


def fold_of(people: Sequence[Portrait]) -> NDArray[np.int64]:
    """The fold (n,) of each portrait: by person, men and women dealt out apart by name."""
    folds: dict[str, int] = {}
    for sex in ("M", "F"):
        names = sorted({p.person for p in people if p.sex == sex})
        folds |= {name: at % FOLDS for at, name in enumerate(names)}
    return np.array([folds[p.person] for p in people])


class Fits:
    """Fits of the prior to some of the people of the first edition, in one frame for all.

    The mean shape that spans the frame is that of all train people: a frame, nothing of age.
    """

    def __init__(self, people: Sequence[Portrait], gain: Floats, cache: Cache) -> None:
        """people: who may be fitted; gain: that of the shipped model, for every fit."""
        self.people = [p for p in people if p.edition == FITTED]
        train = [p for p in self.people if p.split == "train"]
        self.mean = mean_shape(np.stack([extended(p.face.landmarks) for p in train]))
        self.gain = gain
        self.cache = cache
        self._features: dict[str, FaceFeatures] = {}

    def without_gain(self) -> "Fits":
        """The same fits at a gain of 1."""
        plain = copy.copy(self)
        plain.gain = np.ones_like(self.gain)
        return plain

    def features(self, p: Portrait) -> FaceFeatures:
        """The features of a portrait in this frame, kept between runs."""
        if p.key not in self._features:
            frame = hashlib.sha256(self.mean.tobytes()).hexdigest()[:8]
            arrays = self.cache.get(
                f"features_{p.key}_{frame}_{code_digest()}", lambda: self._measured(p)
            )
            values = {name: value.astype(np.float32) for name, value in arrays.items()}
            hair_pixels = float(values.pop("hair_pixels"))
            self._features[p.key] = FaceFeatures(**values, hair_pixels=hair_pixels)
        return self._features[p.key]

    def _measured(self, p: Portrait) -> Arrays:
        face = features_of(view_of(p.pixels, p.face.landmarks, self.mean, p.mask), self.mean)
        arrays = {f.name: np.array(getattr(face, f.name)) for f in dataclasses.fields(face)}
        # The maps are most of it, and half precision is finer than a level of the picture.
        return {
            name: value.astype(HALF) if value.ndim > 2 else value for name, value in arrays.items()
        }

    def without(self, held_out: set[str], *, train_only: bool) -> PhotoModel:
        """A model of everybody but these people, at the given gain."""
        people = [
            p
            for p in self.people
            if p.person not in held_out and (p.split == "train" or not train_only)
        ]
        who = hashlib.sha256("".join(p.key for p in people).encode()).hexdigest()[:12]
        arrays = self.cache.get(f"fit_{who}_{code_digest()}", lambda: self._fitted(people))
        return dataclasses.replace(PhotoModel(**arrays), gain=self.gain)

    def _fitted(self, people: Sequence[Portrait]) -> Arrays:
        labels = np.array([1.0 if p.sex == "M" else -1.0 for p in people])
        ages, errors = np.array([p.age for p in people]), np.array([p.error for p in people])
        faces = [self.features(p) for p in people]
        model = fit_photo_model(faces, ages, errors, self.mean, labels)
        return {f.name: getattr(model, f.name) for f in dataclasses.fields(model)}
