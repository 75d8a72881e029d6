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
from engine.photo.gains import calibrate_gains
from engine.photo.model import SHAPES, PhotoModel
from engine.photo.subject import prepare_subject
from evaluation.photos.networks import Networks
from evaluation.photos.portraits import FITTED, Arrays, Cache, Portrait

FOLDS = 5
HALF = "float16"
GAIN_BY = "face-api"
CALIBRATED = 32
"""People by whom gains are set, half of them women."""
SOURCES = tuple(sorted(Path(ageing.__file__).parent.glob("*.py")))
MEASURING = tuple(p for p in SOURCES if p.stem in {"bands", "features", "frame", "masks"})
"""What measures faces."""
FITTING = (*MEASURING, *(p for p in SOURCES if p.stem in {"fit", "model"}))
"""What fits them."""


def code_digest(sources: Sequence[Path] = SOURCES) -> str:
    """A digest of code of the photo model; when it changes, what it made and was kept is void."""
    text = b"".join(path.read_bytes() for path in sources)
    return hashlib.sha256(text).hexdigest()[:12]


def model_digest(model: PhotoModel) -> str:
    """A digest of a model's arrays, of its refiner, and of the code that applies them."""
    digest = hashlib.sha256(code_digest().encode())
    for name in SHAPES:
        digest.update(np.ascontiguousarray(getattr(model, name)).tobytes())
    for tensor in () if model.refiner is None else model.refiner.state_dict().values():
        digest.update(tensor.numpy().tobytes())
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

    def __init__(
        self,
        people: Sequence[Portrait],
        gain: Floats,
        cache: Cache,
        networks: Networks | None = None,
    ) -> None:
        """people: who may be fitted; gain: of every fit, unless `networks` have what gains are
        calibrated by: then each fit has gains by some of its own people, and the fits are blind.
        """
        self.people = [p for p in people if p.edition == FITTED]
        train = [p for p in self.people if p.split == "train"]
        self.mean = mean_shape(np.stack([extended(p.face.landmarks) for p in train]))
        self.gain = gain
        self.cache = cache
        blind = networks is not None and GAIN_BY in networks.names
        self.networks = networks if blind else None
        self._features: dict[str, FaceFeatures] = {}

    def without_gain(self) -> "Fits":
        """The same fits at a gain of 1."""
        plain = copy.copy(self)
        plain.gain, plain.networks = np.ones_like(self.gain), None
        return plain

    def features(self, p: Portrait) -> FaceFeatures:
        """The features of a portrait in this frame, kept between runs."""
        if p.key not in self._features:
            frame = hashlib.sha256(self.mean.tobytes()).hexdigest()[:8]
            arrays = self.cache.get(
                f"features_{p.key}_{frame}_{code_digest(MEASURING)}", lambda: self._measured(p)
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
        """A model of everybody but these people, and gains by `train` people among them."""
        people = [
            p
            for p in self.people
            if p.person not in held_out and (p.split == "train" or not train_only)
        ]
        who = hashlib.sha256("".join(p.key for p in people).encode()).hexdigest()[:12]
        arrays = self.cache.get(f"fit_{who}_{code_digest(FITTING)}", lambda: self._fitted(people))
        model = PhotoModel(**arrays)
        networks = self.networks
        if networks is None:
            return dataclasses.replace(model, gain=self.gain)
        key = f"gain_{who}_{CALIBRATED}_{code_digest()}"
        gain = self.cache.get(key, lambda: {"gain": self._calibrated(model, people, networks)})[
            "gain"
        ]
        return dataclasses.replace(model, gain=gain)

    def _calibrated(
        self, model: PhotoModel, fitted: Sequence[Portrait], networks: Networks
    ) -> Floats:
        """Gains (2, 6, 2) by the years that a network sees in some `train` people, aged."""
        train = [p for p in fitted if p.split == "train"]
        people, own = [], []
        for sex in ("F", "M"):  # codes below and above 0
            of_sex = [p for p in train if p.sex == sex]
            seen = networks.untouched(of_sex, self.cache)
            years = [one.years[GAIN_BY] for one in seen]
            own.append(np.polyfit([p.age for p in of_sex], years, 1)[0])
            order = np.random.default_rng(0).permutation(len(of_sex))
            people += [of_sex[at] for at in order[: CALIBRATED // 2]]
        subjects = [
            prepare_subject(p.pixels, p.face.landmarks, model, person=p.mask) for p in people
        ]
        ages = np.array([p.age for p in people])
        estimator = networks.estimator(GAIN_BY)
        return calibrate_gains(model, subjects, ages, estimator, own=np.array(own)).gain

    def _fitted(self, people: Sequence[Portrait]) -> Arrays:
        labels = np.array([1.0 if p.sex == "M" else -1.0 for p in people])
        ages, errors = np.array([p.age for p in people]), np.array([p.error for p in people])
        faces = [self.features(p) for p in people]
        model = fit_photo_model(faces, ages, errors, self.mean, labels)
        return {f.name: getattr(model, f.name) for f in dataclasses.fields(model)}
