"""Protocols of frozen networks for losses, banks and evaluators, and the networks behind them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from torch import Tensor

from engine.nets.age.dex_vgg import Dex
from engine.nets.identity.ir_se50 import ALIGNED, ArcFace
from engine.nets.nano.age import NanoAge
from engine.nets.nano.age_evaluator import NanoAgeEvaluator
from engine.nets.nano.identity import NanoIdentity
from engine.nets.nano.landmarks import NanoLandmarks
from engine.nets.nano.trunk import resized
from engine.weights.tensors import tensors_sha256

if TYPE_CHECKING:
    from engine.nets.perceptual.lpips import Backbone, Perceptual

DIGITS = 16


class IdentityNetwork(Protocol):
    """Identity embeddings of unit length, compared by the cosine."""

    @property
    def name(self) -> str:
        """`ir-se50`, `nano-identity`, ..."""
        ...

    @property
    def digest(self) -> str:
        """Of the weights: embeddings of two networks are never compared."""
        ...

    @property
    def width(self) -> int:
        """Of an embedding."""
        ...

    def embed(self, pictures: Tensor) -> Tensor:
        """Aligned portraits (b, 3, s, s) in [-1, 1] to unit vectors (b, width).

        The network's own face crop and size are inside; gradients pass.
        """
        ...

    def embed_crops(self, crops: Tensor) -> Tensor:
        """Regions (b, 3, h, w) in [-1, 1] to unit vectors (b, width), resized, not cropped."""
        ...


class AgeEstimator(Protocol):
    """Apparent age."""

    @property
    def name(self) -> str:
        """`dex`, `nano-age`, ..."""
        ...

    def years(self, pictures: Tensor) -> Tensor:
        """Aligned portraits (b, 3, s, s) in [-1, 1] to expected ages (b,); gradients pass."""
        ...


class LandmarkDetector(Protocol):
    """The 68 landmarks of a face."""

    @property
    def name(self) -> str:
        """`nano-landmarks`, ..."""
        ...

    def points(self, pictures: Tensor) -> Tensor:
        """Portraits (b, 3, s, s) in [-1, 1] to (b, 68, 2) in their pixels; gradients pass."""
        ...


class ImageTower(Protocol):
    """The image encoder of a vision-language model."""

    @property
    def name(self) -> str:
        """The weights it comes from."""
        ...

    def features(self, pictures: Tensor) -> Tensor:
        """Pictures (b, 3, s, s) in [-1, 1] to features (b, d) in float32; gradients pass."""
        ...


class Distance(Protocol):
    """Perceptual distance of two pictures."""

    @property
    def name(self) -> str:
        """`lpips-alex`, `features of nano-age`, ...; `lpips` for nothing else."""
        ...

    def __call__(self, one: Tensor, other: Tensor) -> Tensor:
        """Pictures (b, 3, h, w) in [-1, 1] to (b,), 0 for equal ones."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ArcFaceIdentity:
    """ArcFace on IR-SE50; portraits of another side than a multiple of 256 px are resized first."""

    net: ArcFace
    digest: str
    name: Literal["ir-se50"] = "ir-se50"

    @property
    def width(self) -> int:
        return self.net.spec.embedding

    def embed(self, pictures: Tensor) -> Tensor:
        if pictures.shape[2] % ALIGNED or pictures.shape[2] != pictures.shape[3]:
            pictures = resized(pictures, ALIGNED)
        return self.net.face_embedding(pictures)

    def embed_crops(self, crops: Tensor) -> Tensor:
        return self.net(resized(crops, self.net.spec.size))


@dataclass(frozen=True, slots=True, eq=False)
class NanoIdentityNetwork:
    """The nano identity network, whose input is the whole portrait."""

    net: NanoIdentity
    digest: str
    name: Literal["nano-identity"] = "nano-identity"

    @property
    def width(self) -> int:
        return self.net.spec.embedding

    def embed(self, pictures: Tensor) -> Tensor:
        return self.net(pictures)

    def embed_crops(self, crops: Tensor) -> Tensor:
        return self.net(crops)


@dataclass(frozen=True, slots=True, eq=False)
class DexEstimator:
    """DEX on VGG-16."""

    net: Dex
    name: Literal["dex"] = "dex"

    def years(self, pictures: Tensor) -> Tensor:
        return self.net.age(pictures)


@dataclass(frozen=True, slots=True, eq=False)
class NanoAgeEstimator:
    """The nano age network that losses use, or the independent evaluator, which is in no loss."""

    net: NanoAge | NanoAgeEvaluator
    name: str = "nano-age"

    def years(self, pictures: Tensor) -> Tensor:
        return self.net.age(pictures)


@dataclass(frozen=True, slots=True, eq=False)
class NanoLandmarkDetector:
    """The nano landmark network."""

    net: NanoLandmarks
    name: Literal["nano-landmarks"] = "nano-landmarks"
    domain: Literal["portraits"] = "portraits"
    """Trained on drawn portraits only: geometry on photos is refused."""

    def points(self, pictures: Tensor) -> Tensor:
        return self.net.points(pictures)


@dataclass(frozen=True, slots=True, eq=False)
class LpipsDistance:
    """LPIPS under the name of its backbone."""

    net: "Perceptual"
    backbone: "Backbone" = "alex"

    @property
    def name(self) -> str:
        return f"lpips-{self.backbone}"

    def __call__(self, one: Tensor, other: Tensor) -> Tensor:
        return self.net(one, other)


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """The first 16 digits of `tensors_sha256`: a converted file is the same network."""
    return tensors_sha256(state)[:DIGITS]
