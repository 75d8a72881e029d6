"""Evaluators of identity: dlib's descriptor against impostors, and networks by their cosine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.core.progress import Progress
from engine.evaluators.dlib import DLIB_NAME, described
from engine.evaluators.impostors import impostor_distance
from engine.evaluators.photo_impostors import EVERYONE, Impostors, photo_impostors
from engine.evaluators.photographs import DRAWN_IMPOSTOR_DISTANCE
from engine.faces.descriptor import SAME_PERSON
from engine.faces.rotation import Pixels
from engine.images.ranges import to_tensors
from engine.nets.protocols import IdentityNetwork

Vectors = NDArray[np.float64]
SAME_FACE = 0.37
"""dlib distance of drawn portraits at the equal error rate; photos have dlib's own 0.6."""
SAME_COSINE = 0.3
"""ArcFace cosine from which two photos show one person. A convention."""
PARALLEL_FROM = 32
"""Pictures from which several processes are faster than one: each needs seconds to start."""
BATCH = 16


class Person(NamedTuple):
    """Who is compared, as far as d0 needs it; None where unknown.

    name: of a drawn person the identity seed; age: years; sex: `female` or `male`; lightness: CIE
    L* of the cheeks.
    """

    name: str | None
    age: float
    sex: str | None = None
    lightness: float | None = None


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

    def identity(self, similarity: float, person: Person) -> float:
        """The similarity on the scale that is reported; 1 is the same picture."""
        ...

    def impostors(self, person: Person) -> Impostors | None:
        """d0 and whose it is, None for evaluators without one."""
        ...

    @property
    def threshold(self) -> float:
        """Similarity from which two pictures show one person."""
        ...


@dataclass(frozen=True, slots=True)
class DlibIdentity:
    """`1 - d/d0` of dlib's descriptor; d0 by age band, sex and skin as far as they are known."""

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

    def identity(self, similarity: float, person: Person) -> float:
        return 1 + similarity / self.impostors(person).distance

    def impostors(self, person: Person) -> Impostors:
        if not self.drawn:
            return photo_impostors(person.age, person.sex, person.lightness)
        if person.name is None or not person.name.isdecimal():
            return Impostors(DRAWN_IMPOSTOR_DISTANCE, EVERYONE)
        return Impostors(impostor_distance(int(person.name), person.age), "age, sex and skin")


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
        return in_batches(self.identity_net.embed, pictures, self.device)

    def similarity(self, one: Vectors, other: Vectors) -> NDArray[np.float64]:
        return (one * other).sum(axis=-1)

    def identity(self, similarity: float, person: Person) -> float:
        return similarity

    def impostors(self, person: Person) -> None:
        return None


def in_batches(
    measure: Callable[[Tensor], Tensor], pictures: Pixels, device: torch.device
) -> NDArray[np.float64]:
    """What a network gives for uint8 RGB (n, s, s, 3), in float64."""
    parts: list[NDArray[np.float64]] = []
    with torch.inference_mode():
        for start in range(0, len(pictures), BATCH):
            batch = to_tensors(pictures[start : start + BATCH]).to(device)
            parts.append(measure(batch).double().numpy(force=True))
    return np.concatenate(parts)
