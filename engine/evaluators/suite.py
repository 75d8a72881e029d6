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
from engine.evaluators.dlib import DLIB_NAME, described
from engine.evaluators.impostors import impostor_distance
from engine.evaluators.photographs import (
    DRAWN_IMPOSTOR_DISTANCE,
    IMPOSTOR_DISTANCE,
    NANO,
    PhotoEvaluators,
    weights_here,
)
from engine.faces.descriptor import SAME_PERSON
from engine.faces.rotation import Pixels
from engine.images.ranges import to_tensors
from engine.metrics.gradients import gradient_distance
from engine.metrics.set_distances import INCEPTION
from engine.nets.named import (
    ARCFACE,
    NANO_IDENTITY,
    load_age_estimator,
    load_distance,
    load_identity_network,
)
from engine.nets.protocols import IdentityNetwork
from engine.weights.load import read_known

Vectors = NDArray[np.float64]
PairDistance = Callable[[Tensor, Tensor], Tensor]
SAME_FACE = 0.37
"""dlib distance of drawn portraits at the equal error rate; photos have dlib's own 0.6."""
SAME_COSINE = 0.3
"""ArcFace cosine from which two photos show one person. A convention."""
BATCH = 16
NO_LPIPS = "the weights `lpips-alex` are missing"
INCEPTION_FILE = "inception-fid"
"""Name of the network of FID and KID in the weights folder."""
PARALLEL_FROM = 32
"""Pictures from which several processes are faster than one: each needs seconds to start."""


class IdentityEvaluator(Protocol):
    """Scores whether two faces show one person."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str:
        """The meaning of its scores, in one sentence."""
        ...

    def vectors(self, pictures: Pixels, progress: Progress) -> Vectors:
        """Embeddings (n, d) of uint8 RGB (n, s, s, 3)."""
        ...

    def similarity(self, one: Vectors, other: Vectors) -> NDArray[np.float64]:
        """Similarity (n,) of pairs of embeddings (n, d); higher for the same person."""
        ...

    def identity(self, similarity: float, person: str | None, age: float) -> float:
        """The similarity on the scale that is reported; 1 is the same picture."""
        ...

    def impostor_distance(self, person: str | None, age: float) -> float | None:
        """d0, None for evaluators without one."""
        ...

    @property
    def threshold(self) -> float:
        """Similarity from which two pictures show one person."""
        ...


@dataclass(frozen=True, slots=True)
class DlibIdentity:
    """`1 - d/d0` of dlib's descriptor; d0 by age band, sex and skin where the person is known."""

    drawn: bool
    workers: int = 1
    name: str = DLIB_NAME

    @property
    def about(self) -> str:
        return "1 - d/d0 of dlib's descriptor: 1 is the same picture, 0 an impostor"

    @property
    def threshold(self) -> float:
        return -(SAME_FACE if self.drawn else SAME_PERSON)

    def vectors(self, pictures: Pixels, progress: Progress) -> Vectors:
        workers = self.workers if len(pictures) >= PARALLEL_FROM else 1
        faces = described(pictures, workers=workers, progress=progress)
        return faces.vectors.astype(np.float64)

    def similarity(self, one: Vectors, other: Vectors) -> NDArray[np.float64]:
        return -np.linalg.norm(one - other, axis=-1)

    def identity(self, similarity: float, person: str | None, age: float) -> float:
        return 1 + similarity / self.impostor_distance(person, age)

    def impostor_distance(self, person: str | None, age: float) -> float:
        """d0."""
        if not self.drawn:
            return IMPOSTOR_DISTANCE
        if person is None or not person.isdecimal():
            return DRAWN_IMPOSTOR_DISTANCE
        return impostor_distance(int(person), age)


@dataclass(frozen=True, slots=True, eq=False)
class CosineIdentity:
    """Cosine of the embeddings of an identity network."""

    identity_net: IdentityNetwork
    device: torch.device
    remark: str = ""
    threshold: float = SAME_COSINE

    @property
    def name(self) -> str:
        return self.identity_net.name

    @property
    def about(self) -> str:
        return f"cosine of embeddings by {self.name}{self.remark}"

    def vectors(self, pictures: Pixels, progress: Progress) -> Vectors:
        return _in_batches(self.identity_net.embed, pictures, self.device)

    def similarity(self, one: Vectors, other: Vectors) -> NDArray[np.float64]:
        return (one * other).sum(axis=-1)

    def identity(self, similarity: float, person: str | None, age: float) -> float:
        return similarity

    def impostor_distance(self, person: str | None, age: float) -> None:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """Of n pictures: identity embeddings (n, d) by evaluator, ages (n,), features (n, f)."""

    vectors: dict[str, Vectors]
    years: NDArray[np.float64] | None
    features: NDArray[np.float64]


class EvaluatorSuite:
    """The evaluators of one domain; every picture is measured once.

    workers: processes for dlib, whose results do not depend on their number. identities: the first
    is reported as `identity`. distances: by name; the first is reported as `perceptual`, unless
    `why_no_perceptual` says why there is none.
    """

    def __init__(self, domain: Domain, device: torch.device, *, workers: int = 1) -> None:
        self.domain: Domain = domain
        self.device = device
        drawn = domain == "portraits"
        self.identities: list[IdentityEvaluator] = [DlibIdentity(drawn, workers)]
        self.distances: dict[str, PairDistance] = {}
        self.why_no_perceptual: str | None = None
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
            else:
                self.why_no_perceptual = NO_LPIPS
        self.distances["gradients"] = gradient_distance
        self._ages = _age_estimator(domain, device)
        self.extractor, self._features = _extractor(drawn, device)
        self._measured: dict[bytes, dict[str, Any]] = {}

    @property
    def identity(self) -> IdentityEvaluator:
        """The evaluator that is reported as `identity`."""
        return self.identities[0]

    @property
    def age_by(self) -> str | None:
        """Name of the age evaluator."""
        return self._ages[0]

    @property
    def why_no_age(self) -> str | None:
        """Why there is no age evaluator."""
        return self._ages[2]

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
        years = None if self.age_by is None else np.array([row["years"] for row in rows])
        return Measurements(
            {j.name: np.stack([row[j.name] for row in rows]) for j in self.identities},
            years,
            np.stack([row["features"] for row in rows]),
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
        estimate = self._ages[1]
        if estimate is not None:
            columns["years"] = _in_batches(estimate, pictures, self.device)
        features = self._features
        columns["features"] = (
            columns[DLIB_NAME] if features is None else _in_batches(features, pictures, self.device)
        )
        for row, digest in enumerate(digests):
            self._measured[digest] = {name: values[row] for name, values in columns.items()}


def _extractor(drawn: bool, device: torch.device) -> tuple[str, Callable[[Tensor], Tensor] | None]:
    """Name and network of the features for set distances; None for dlib's descriptors."""
    if weights_here(INCEPTION_FILE):
        from engine.nets.perceptual.inception import Inception

        state = read_known(INCEPTION_FILE).part("features")
        return INCEPTION, Inception.from_state(state).to(device)
    if not drawn:
        return DLIB_NAME, None
    net: Any = getattr(load_age_estimator(NANO, device), "net")  # noqa: B009 - hidden by the protocol
    return NANO, lambda pictures: net.features(pictures)[-1].mean(dim=(2, 3))


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


def _in_batches(
    measure: Callable[[Tensor], Tensor], pictures: Pixels, device: torch.device
) -> NDArray[np.float64]:
    parts: list[NDArray[np.float64]] = []
    with torch.inference_mode():
        for start in range(0, len(pictures), BATCH):
            batch = to_tensors(pictures[start : start + BATCH]).to(device)
            parts.append(measure(batch).double().numpy(force=True))
    return np.concatenate(parts)
