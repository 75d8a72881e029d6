"""The evaluator suite of a domain: identity, age, distances, features; each evaluator is named."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.core.progress import Progress, Silence
from engine.data.domains import Domain
from engine.evaluators.faceres import FaceResFeatures
from engine.evaluators.identity import (
    BATCH,
    CosineIdentity,
    DlibIdentity,
    IdentityEvaluator,
    Vectors,
    in_batches,
)
from engine.evaluators.photographs import NANO, PhotoEvaluators, weights_here
from engine.evaluators.traits import GENDER_BY, TraitEstimator
from engine.faces.descriptor import aligned_box
from engine.faces.fitting import fit_points
from engine.faces.rotation import Pixels
from engine.images.ranges import to_tensors
from engine.metrics.gradients import gradient_distance
from engine.metrics.set_distances import INCEPTION
from engine.nets.loading import frozen
from engine.nets.named import (
    ARCFACE,
    NANO_AGE_ORDINAL,
    NANO_IDENTITY,
    load_age_estimator,
    load_distance,
    load_identity_network,
    state_of,
)
from engine.nets.nano.age_ordinal import NanoAgeOrdinal, ordinal_age
from engine.nets.nano.trunk import resized
from engine.weights.load import read_known

PairDistance = Callable[[Tensor, Tensor], Tensor]
NO_LPIPS = "the weights `lpips-alex` and `faceres` are missing"
NO_FEATURES = "the weights `inception-fid` and `faceres` are missing"
AGE = "age by "
FACERES = "FaceRes"
INCEPTION_FILE = "inception-fid"
"""Name of the network of FID and KID in the weights folder."""


class PhotoAgeEstimator(Protocol):
    """Ages of photographs by several networks."""

    @property
    def name(self) -> str:
        """The one that is reported as the age."""
        ...

    @property
    def experts(self) -> Sequence[str]:
        """Those that are reported beside it."""
        ...

    def years(
        self, faces: Sequence[Pixels], points: Sequence[NDArray[np.floating]]
    ) -> dict[str, NDArray[np.float64]]:
        """Ages (n,) by every name of aligned faces (s, s, 3) with points (68, 2) each."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """Of n pictures: identity embeddings (n, d) and ages (n,) by evaluator, features (n, f).

    male, lightness: (n,) probability of a man and CIE L* of the cheeks, of photographs alone.
    """

    vectors: dict[str, Vectors]
    ages: dict[str, NDArray[np.float64]]
    features: NDArray[np.float64] | None
    male: NDArray[np.float64] | None = None
    lightness: NDArray[np.float64] | None = None


class EvaluatorSuite:
    """The evaluators of one domain; every picture is measured once.

    workers: processes for dlib, whose results do not depend on their number; ages: of photographs,
    where the weights of MiVOLO are not here, and beside it where they are. identities: the first
    is reported as `identity`. distances: by name; the first is reported as `perceptual`, unless
    `why_no_perceptual` says why there is none.
    """

    def __init__(
        self,
        domain: Domain,
        device: torch.device,
        *,
        workers: int = 1,
        ages: PhotoAgeEstimator | None = None,
    ) -> None:
        self.domain: Domain = domain
        self.device = device
        drawn = domain == "portraits"
        self.identities: list[IdentityEvaluator] = [DlibIdentity(drawn, workers)]
        self.distances: dict[str, PairDistance] = {}
        self.why_no_perceptual: str | None = None
        self._faceres = None if drawn else FaceResFeatures.load(device)
        self._traits = None if drawn else TraitEstimator(device)
        if drawn:
            features = load_distance("nano-evaluator-features", device)
            self.distances[features.name] = features
            identity_net = load_identity_network(NANO_IDENTITY, device)
            remark = ", which is in the losses of the nano recipes"
            self.identities.append(CosineIdentity(identity_net, device, remark))
        else:
            if weights_here(ARCFACE):
                self.identities.insert(
                    0, CosineIdentity(load_identity_network(ARCFACE, device), device)
                )
            if weights_here("lpips-alex"):
                self.distances["lpips-alex"] = load_distance("lpips-alex", device)
            if self._faceres is not None:
                self.distances[self._faceres.name] = self._faceres
            self.why_no_perceptual = None if self.distances else NO_LPIPS
        self.distances["gradients"] = gradient_distance
        self._photo_ages = None if drawn else ages
        self._ages = _age_estimator(domain, device)
        self._luma = _luma_ages(device) if drawn else None
        self.extractor, self._features = _extractor(drawn, device)
        if self._features is None and self._faceres is not None:
            self.extractor = FACERES
        self._measured: dict[bytes, dict[str, Any]] = {}

    @property
    def identity(self) -> IdentityEvaluator:
        """The evaluator that is reported as `identity`."""
        return self.identities[0]

    @property
    def age_by(self) -> str | None:
        """Name of the age evaluator that is reported first."""
        return next(iter(self.ages_by), None)

    @property
    def ages_by(self) -> list[str]:
        """Names of all age evaluators."""
        names = [] if self._ages[0] is None else [self._ages[0]]
        if self._luma is not None:
            names.append(NANO_AGE_ORDINAL)
        if self._photo_ages is not None:
            names += [self._photo_ages.name, *self._photo_ages.experts]
        return list(dict.fromkeys(names))

    @property
    def why_no_age(self) -> str | None:
        """Why there is no age evaluator."""
        return None if self.ages_by else self._ages[2]

    @property
    def gender_by(self) -> str | None:
        """Name of the gender network, None for drawn portraits."""
        return None if self._traits is None else GENDER_BY

    @property
    def perceptual(self) -> str | None:
        """Name of the distance that is reported as `perceptual`."""
        return None if self.why_no_perceptual is not None else next(iter(self.distances))

    def measure(self, pictures: Sequence[Pixels], progress: Progress | None = None) -> Measurements:
        """Measure pictures, uint8 RGB (s, s, 3) of any sides."""
        progress = Silence() if progress is None else progress
        digests = [
            hashlib.sha256(f"{one.shape}".encode() + one.tobytes()).digest() for one in pictures
        ]
        new = {d: one for d, one in zip(digests, pictures, strict=True) if d not in self._measured}
        sides = sorted({len(one) for one in new.values()})
        for side in sides:
            own = {digest: one for digest, one in new.items() if len(one) == side}
            self._measure(list(own), np.stack(list(own.values())), progress)
        rows = [self._measured[digest] for digest in digests]

        def column(name: str) -> NDArray[np.float64] | None:
            return np.stack([row[name] for row in rows]) if name in rows[0] else None

        return Measurements(
            {j.name: np.stack([row[j.name] for row in rows]) for j in self.identities},
            {name: np.stack([row[AGE + name] for row in rows]) for name in self.ages_by},
            column("features"),
            column("male"),
            column("lightness"),
        )

    def distance(
        self, name: str, one: Sequence[Pixels], other: Sequence[Pixels]
    ) -> NDArray[np.float64]:
        """A named distance (n,) of n pairs of pictures of one side."""
        measure = self.distances[name]
        parts: list[NDArray[np.float64]] = []
        with torch.inference_mode():
            for start in range(0, len(one), BATCH):
                pair = [
                    to_tensors(np.stack(side[start : start + BATCH])).to(self.device)
                    for side in (one, other)
                ]
                parts.append(measure(*pair).double().numpy(force=True))
        return np.concatenate(parts)

    def _measure(self, digests: Sequence[bytes], pictures: Pixels, progress: Progress) -> None:
        columns: dict[str, NDArray[np.float64]] = {
            evaluator.name: evaluator.vectors(pictures, progress) for evaluator in self.identities
        }
        name, estimate, _ = self._ages
        if name is not None and estimate is not None:
            columns[AGE + name] = in_batches(estimate, pictures, self.device)
        if self._luma is not None:
            columns[AGE + NANO_AGE_ORDINAL] = in_batches(self._luma, pictures, self.device)
        if self._features is not None:
            columns["features"] = in_batches(self._features, pictures, self.device)
        if self._traits is not None:
            columns |= self._photo_columns(pictures, self._traits)
        for row, digest in enumerate(digests):
            self._measured[digest] = {name: values[row] for name, values in columns.items()}

    def _photo_columns(self, pictures: Pixels, traits: TraitEstimator) -> dict[str, Any]:
        """What is measured by the landmarks of photographs."""
        box = aligned_box(pictures.shape[1])
        points = [fit_points(face, box) for face in pictures]
        each = [traits.measure(face, own) for face, own in zip(pictures, points, strict=True)]
        columns: dict[str, Any] = {
            "male": np.array([one.male for one in each]),
            "lightness": np.array([one.lightness for one in each]),
        }
        if self._photo_ages is not None:
            years = self._photo_ages.years(list(pictures), points)
            columns |= {AGE + name: own for name, own in years.items()}
        if self._features is None and self._faceres is not None:
            features = self._faceres.features(list(pictures), points)
            columns["features"] = features.double().numpy(force=True)
        return columns


def _extractor(
    drawn: bool, device: torch.device
) -> tuple[str | None, Callable[[Tensor], Tensor] | None]:
    """Name and network of the features for set distances; None without one."""
    if weights_here(INCEPTION_FILE):
        from engine.nets.perceptual.inception import Inception

        state = read_known(INCEPTION_FILE).part("features")
        return INCEPTION, Inception.from_state(state).to(device)
    if not drawn:
        return None, None
    net: Any = getattr(load_age_estimator(NANO, device), "net")  # noqa: B009 - hidden by the protocol
    return NANO, lambda pictures: net.features(pictures)[-1].mean(dim=(2, 3))


def _luma_ages(device: torch.device) -> Callable[[Tensor], Tensor]:
    """Ages of drawn portraits by another family of networks: luma alone, ordinal.

    It is in no loss and chooses no checkpoint, and sees other faults than the first evaluator.
    """
    net = frozen(NanoAgeOrdinal.from_state(state_of(NANO_AGE_ORDINAL, "age"))).to(device)
    return lambda pictures: ordinal_age(net(resized(pictures, net.spec.size)))


def _age_estimator(
    domain: Domain, device: torch.device
) -> tuple[str | None, Callable[[Tensor], Tensor] | None, str | None]:
    """Name and function of the age evaluator, or why there is none."""
    evaluators = PhotoEvaluators(device, domain)
    if evaluators.age_by is None:
        return None, None, evaluators.why_no_age

    def estimate(pictures: Tensor) -> Tensor:
        return torch.tensor([evaluators.age(one[None]) for one in pictures], dtype=torch.float64)

    return evaluators.age_by, estimate, None
