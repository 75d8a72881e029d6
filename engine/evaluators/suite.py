"""The judges: each named, none of them in a loss unless it says so, one panel for each domain."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.core.places import weights_folder
from engine.core.progress import Progress, Silence
from engine.evaluators.dlib import JUDGE, described
from engine.evaluators.domain import Domain
from engine.evaluators.impostors import impostor_distance
from engine.evaluators.photographs import (
    DRAWN_IMPOSTOR_DISTANCE,
    IMPOSTOR_DISTANCE,
    NANO,
    PhotoEvaluators,
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
from engine.weights.folder import standing, weights_file
from engine.weights.load import read_tensors
from engine.weights.manifest import known_weights

Vectors = NDArray[np.float64]
Apart = Callable[[Tensor, Tensor], Tensor]
SAME_FACE = 0.37
"""dlib distance of drawn portraits at which as many people are mistaken for each other as are not
known again; photos have dlib's own limit of 0.6."""
SAME_COSINE = 0.3
"""ArcFace cosine from which two photos count as one person. A convention."""
BATCH = 16
NO_LPIPS = "the weights `lpips-alex` are missing"
INCEPTION_FILE = "inception-fid"
"""What the network that FID and KID are defined on is called in the weights folder."""
WORTH = 32
"""Pictures from which several processes see sooner than one: each needs seconds to begin."""


class IdentityJudge(Protocol):
    """Whether two faces are one person."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str:
        """What its figures mean, in one sentence."""
        ...

    def vectors(self, pictures: Pixels, progress: Progress) -> Vectors:
        """uint8 RGB (n, s, s, 3) to (n, d)."""
        ...

    def closeness(self, one: Vectors, other: Vectors) -> NDArray[np.float64]:
        """Scores of pairs (n, d) and (n, d), higher for the same person: (n,)."""
        ...

    def identity(self, closeness: float, person: str | None, age: float) -> float:
        """A score on the scale that is reported; 1 is the same picture."""
        ...

    def strangers(self, person: str | None, age: float) -> float | None:
        """d0, for judges that have one."""
        ...

    @property
    def limit(self) -> float:
        """Closeness from which two pictures show one person."""
        ...


@dataclass(frozen=True, slots=True)
class DlibIdentity:
    """`1 - d/d0` of the contract; d0 by age band, sex and skin where the person is known."""

    drawn: bool
    workers: int = 1
    name: str = JUDGE

    @property
    def about(self) -> str:
        return "1 - d/d0 of dlib's descriptor: 1 is the same picture, 0 a stranger"

    @property
    def limit(self) -> float:
        return -(SAME_FACE if self.drawn else SAME_PERSON)

    def vectors(self, pictures: Pixels, progress: Progress) -> Vectors:
        workers = self.workers if len(pictures) >= WORTH else 1
        told = described(pictures, workers=workers, progress=progress)
        return told.vectors.astype(np.float64)

    def closeness(self, one: Vectors, other: Vectors) -> NDArray[np.float64]:
        return -np.linalg.norm(one - other, axis=-1)

    def identity(self, closeness: float, person: str | None, age: float) -> float:
        return 1 + closeness / self.strangers(person, age)

    def strangers(self, person: str | None, age: float) -> float:
        """d0."""
        if not self.drawn:
            return IMPOSTOR_DISTANCE
        if person is None or not person.isdecimal():
            return DRAWN_IMPOSTOR_DISTANCE
        return impostor_distance(int(person), age)


@dataclass(frozen=True, slots=True, eq=False)
class CosineIdentity:
    """The cosine of a identity_net's embeddings."""

    identity_net: IdentityNetwork
    device: torch.device
    remark: str = ""
    limit: float = SAME_COSINE

    @property
    def name(self) -> str:
        return self.identity_net.name

    @property
    def about(self) -> str:
        return f"cosine of embeddings by {self.name}{self.remark}"

    def vectors(self, pictures: Pixels, progress: Progress) -> Vectors:
        return _in_batches(self.identity_net.embed, pictures, self.device)

    def closeness(self, one: Vectors, other: Vectors) -> NDArray[np.float64]:
        return (one * other).sum(axis=-1)

    def identity(self, closeness: float, person: str | None, age: float) -> float:
        return closeness

    def strangers(self, person: str | None, age: float) -> None:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Pictures as the judges see them: vectors (n, d) by judge, years (n,), features (n, f)."""

    vectors: dict[str, Vectors]
    years: NDArray[np.float64] | None
    features: NDArray[np.float64]


class Panel:
    """The evaluators of one domain; a picture is looked at once, whoever shows it again.

    workers: processes that dlib may run in; what they see is the same for any number of them.
    identities: the first is the one that is reported as `identity`. distances: by name, the first
    is reported as `perceptual`, unless `why_no_perceptual` says why there is none.
    """

    def __init__(self, domain: Domain, device: torch.device, *, workers: int = 1) -> None:
        self.domain: Domain = domain
        self.device = device
        drawn = domain == "portraits"
        self.identities: list[IdentityJudge] = [DlibIdentity(drawn, workers)]
        self.distances: dict[str, Apart] = {}
        self.why_no_perceptual: str | None = None
        if drawn:
            judge = load_distance("nano-judge-features", device)
            self.distances[judge.name] = judge
            own = load_identity_network(NANO_IDENTITY, device)
            remark = ", which the losses of the nano recipes use"
            self.identities.append(CosineIdentity(own, device, remark))
        else:
            if _here(ARCFACE):
                self.identities.insert(
                    0, CosineIdentity(load_identity_network(ARCFACE, device), device)
                )
            if _here("lpips-alex"):
                self.distances["lpips-alex"] = load_distance("lpips-alex", device)
            else:
                self.why_no_perceptual = NO_LPIPS
        self.distances["gradients"] = gradient_distance
        self._ages = _age_reader(domain, device)
        self.extractor, self._features = _extractor(drawn, device)
        self._kept: dict[bytes, dict[str, Any]] = {}

    @property
    def identity(self) -> IdentityJudge:
        """The judge of what is called identity."""
        return self.identities[0]

    @property
    def age_by(self) -> str | None:
        return self._ages[0]

    @property
    def why_no_age(self) -> str | None:
        return self._ages[2]

    @property
    def perceptual(self) -> str | None:
        """The distance that is called perceptual."""
        return None if self.why_no_perceptual is not None else next(iter(self.distances))

    def see(self, pictures: Sequence[Pixels], progress: Progress | None = None) -> Seen:
        """Look at pictures (s, s, 3) of any sides."""
        progress = Silence() if progress is None else progress
        digests = [
            hashlib.sha256(f"{one.shape}".encode() + one.tobytes()).digest() for one in pictures
        ]
        fresh = {d: one for d, one in zip(digests, pictures, strict=True) if d not in self._kept}
        sides = sorted({len(one) for one in fresh.values()})
        for side in sides:
            own = {digest: one for digest, one in fresh.items() if len(one) == side}
            self._look(list(own), np.stack(list(own.values())), progress)
        rows = [self._kept[digest] for digest in digests]
        years = None if self.age_by is None else np.array([row["years"] for row in rows])
        return Seen(
            {j.name: np.stack([row[j.name] for row in rows]) for j in self.identities},
            years,
            np.stack([row["features"] for row in rows]),
        )

    def apart(
        self, name: str, one: Sequence[Pixels], other: Sequence[Pixels]
    ) -> NDArray[np.float64]:
        """A distance of pairs of pictures of one side: (n,)."""
        measure = self.distances[name]
        told: list[NDArray[np.float64]] = []
        with torch.inference_mode():
            for start in range(0, len(one), BATCH):
                pair = [
                    to_tensors(np.stack(side[start : start + BATCH])).to(self.device)
                    for side in (one, other)
                ]
                told.append(measure(*pair).double().numpy(force=True))
        return np.concatenate(told)

    def _look(self, digests: Sequence[bytes], pictures: Pixels, progress: Progress) -> None:
        columns: dict[str, NDArray[np.float64]] = {
            judge.name: judge.vectors(pictures, progress) for judge in self.identities
        }
        read = self._ages[1]
        if read is not None:
            columns["years"] = _in_batches(read, pictures, self.device)
        features = self._features
        columns["features"] = (
            columns[JUDGE] if features is None else _in_batches(features, pictures, self.device)
        )
        for row, digest in enumerate(digests):
            self._kept[digest] = {name: values[row] for name, values in columns.items()}


def _extractor(drawn: bool, device: torch.device) -> tuple[str, Callable[[Tensor], Tensor] | None]:
    """Whose features the distances between sets are told in; None for those of dlib."""
    if _here(INCEPTION_FILE):
        from engine.nets.perceptual.inception import Inception

        state = read_tensors(weights_file(INCEPTION_FILE))
        return INCEPTION, Inception.from_state(state).to(device)
    if not drawn:
        return JUDGE, None
    net: Any = getattr(load_age_estimator(NANO, device), "net")  # noqa: B009 - hidden by the protocol
    return NANO, lambda pictures: net.features(pictures)[-1].mean(dim=(2, 3))


def _age_reader(
    domain: Domain, device: torch.device
) -> tuple[str | None, Callable[[Tensor], Tensor] | None, str | None]:
    """Name and reader of ages, or why there is none."""
    judges = PhotoEvaluators(device, domain)
    if judges.age_by is None:
        return None, None, judges.why_no_age

    def read(pictures: Tensor) -> Tensor:
        return torch.tensor([judges.age(one[None]) for one in pictures], dtype=torch.float64)

    return judges.age_by, read, None


def _in_batches(
    measure: Callable[[Tensor], Tensor], pictures: Pixels, device: torch.device
) -> NDArray[np.float64]:
    told: list[NDArray[np.float64]] = []
    with torch.inference_mode():
        for start in range(0, len(pictures), BATCH):
            batch = to_tensors(pictures[start : start + BATCH]).to(device)
            told.append(measure(batch).double().numpy(force=True))
    return np.concatenate(told)


def _here(name: str) -> bool:
    folder = weights_folder()
    return standing(known_weights(folder)[name], folder).here
