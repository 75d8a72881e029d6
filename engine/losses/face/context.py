"""The frozen networks and the person's data that losses may read."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

from engine.banks.anchors import AgeAnchors, Prototypes
from engine.core.errors import RecipeError
from engine.data.domains import Domain
from engine.miners.base import Miner
from engine.nets.protocols import AgeEstimator, Distance, IdentityNetwork, LandmarkDetector

T = TypeVar("T")
BATCH = 8


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """The person's photos: unit embeddings (n, width) and ages (n,) in years.

    digest: of the identity network that embedded them, None if unknown.
    """

    embeddings: Tensor
    ages: Tensor
    digest: str | None = None

    @classmethod
    @torch.no_grad()
    def of(cls, identity_net: IdentityNetwork, photos: Tensor, ages: Tensor) -> Self:
        """Embed photos (n, 3, s, s) in [-1, 1], unflipped."""
        embeddings = [identity_net.embed(some).float() for some in photos.split(BATCH)]
        return cls(torch.cat(embeddings), ages.float(), identity_net.digest)

    @property
    def years(self) -> Tensor:
        """(n,) int64 ages in whole years, rounded: 0.29 * 100 < 29 in float32."""
        return self.ages.round().long()


class Classifier(Protocol):
    """Separates the person (class 1) from everybody else (class 0)."""

    @property
    def size(self) -> int:
        """Side of its input in px."""
        ...

    def __call__(self, pictures: Tensor) -> Tensor:
        """Aligned portraits (b, 3, size, size) in [-1, 1] to logits (b, 2)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LossContext:
    """What a recipe provides for its losses, under the recipe's keys; None where it is absent."""

    identity: IdentityNetwork | None = None
    age: AgeEstimator | None = None
    perceptual: Distance | None = None
    landmarks: LandmarkDetector | None = None
    classifier: Classifier | None = None
    miner: Miner | None = None
    references: References | None = None
    anchors: AgeAnchors | None = None
    prototypes: Prototypes | None = None
    latent_average: Tensor | None = None
    """(n, width), included in the codes of the model."""
    domain: Domain = "photos"
    """The domain of the person's pictures."""

    def missing(self, needs: Collection[str]) -> list[str]:
        """The fields of `needs` that are None, sorted."""
        return [need for need in sorted(needs) if getattr(self, need) is None]

    def mismatched(self, needs: Collection[str]) -> list[str]:
        """The fields of `needs` whose embeddings another identity network computed."""
        embedded = {"references": self.references, "prototypes": self.prototypes}
        ours = None if self.identity is None else self.identity.digest
        return [
            name
            for name, faces in embedded.items()
            if name in needs and faces is not None and faces.digest not in (None, ours)
        ]

    def to(self, device: torch.device | str) -> Self:
        """A copy with the person's data on a device; networks stay where they are."""
        return replace(
            self,
            references=self.references and _moved(self.references, device, "embeddings", "ages"),
            anchors=self.anchors and _moved(self.anchors, device, "codes", "ages"),
            prototypes=self.prototypes and _moved(self.prototypes, device, "embeddings", "ages"),
        )


def required(value: T | None, key: str) -> T:
    """The value, or a RecipeError that names the recipe key that would provide it."""
    if value is None:
        raise RecipeError(
            f"a loss needs `{key}`, which the recipe does not give",
            hint=f"set `{key}` or remove the losses that need it",
        )
    return value


def _moved(data: T, device: torch.device | str, *names: str) -> T:
    return replace(data, **{name: getattr(data, name).to(device) for name in names})  # pyright: ignore[reportArgumentType]
