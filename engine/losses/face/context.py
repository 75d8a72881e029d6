"""The frozen networks and the data of a person that losses may ask for."""

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
    """Who the person's photos show: embeddings (n, width), unit, and ages (n,) in years.

    digest: of the identity_net that made them, None where nobody knows.
    """

    embeddings: Tensor
    ages: Tensor
    digest: str | None = None

    @classmethod
    @torch.no_grad()
    def of(cls, identity_net: IdentityNetwork, photos: Tensor, ages: Tensor) -> Self:
        """Embed photos (n, 3, s, s) as they are: a mirrored face is nobody's."""
        found = [identity_net.embed(some).float() for some in photos.split(BATCH)]
        return cls(torch.cat(found), ages.float(), identity_net.digest)

    @property
    def years(self) -> Tensor:
        """(n,) ages as whole years: 0.29 * 100 is 29 here, though it is not in floats."""
        return self.ages.round().long()


class Classifier(Protocol):
    """Tells the person (class 1) from everybody else (class 0)."""

    @property
    def size(self) -> int:
        """The side in px of the pictures it looks at."""
        ...

    def __call__(self, pictures: Tensor) -> Tensor:
        """Whole aligned portraits (b, 3, size, size) in [-1, 1] to logits (b, 2)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LossContext:
    """What a recipe gives to its losses; what it does not give is None."""

    identity_net: IdentityNetwork | None = None
    ages: AgeEstimator | None = None
    distance: Distance | None = None
    points: LandmarkDetector | None = None
    miner: Miner | None = None
    references: References | None = None
    anchors: AgeAnchors | None = None
    prototypes: Prototypes | None = None
    classifier: Classifier | None = None
    latent_average: Tensor | None = None
    """(n, width), what the codes of the model stand on."""
    domain: Domain = "photos"
    """What the pictures of the person are, as the recipe says."""

    def lacking(self, needs: Collection[str]) -> list[str]:
        """The needs that are not met, in order of their names."""
        return [need for need in sorted(needs) if getattr(self, need) is None]

    def strangers(self, needs: Collection[str]) -> list[str]:
        """The embeddings among `needs` that another identity_net than ours has made."""
        held = {"references": self.references, "prototypes": self.prototypes}
        ours = None if self.identity_net is None else self.identity_net.digest
        return [
            name
            for name, faces in held.items()
            if name in needs and faces is not None and faces.digest not in (None, ours)
        ]

    def to(self, device: torch.device | str) -> Self:
        """The same parts with the data of the person on a device; networks stay where they are."""
        return replace(
            self,
            references=self.references and _moved(self.references, device, "embeddings", "ages"),
            anchors=self.anchors and _moved(self.anchors, device, "codes", "ages"),
            prototypes=self.prototypes and _moved(self.prototypes, device, "embeddings", "ages"),
        )


def given(part: T | None, key: str) -> T:
    """The part, or a RecipeError that names the key of the recipe that would give it."""
    if part is None:
        raise RecipeError(
            f"a loss needs `{key}`, which the recipe does not give",
            hint=f"set `{key}` or take the losses out that need it",
        )
    return part


def _moved(held: T, device: torch.device | str, *names: str) -> T:
    return replace(held, **{name: getattr(held, name).to(device) for name in names})  # pyright: ignore[reportArgumentType]
