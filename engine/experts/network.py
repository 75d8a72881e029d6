"""An expert that is one network on the face."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.experts.base import AgePrediction, Faces
from engine.nets.loading import Net, frozen
from engine.nets.named import state_of
from engine.nets.photos.estimator import Place, in_parts, mean_shares, mirrored_views
from engine.nets.protocols import weights_digest
from engine.weights.checkpoint import StateDict

CONFIDENCE_SCALE = 5.0
"""Years of spread over the views at which confidence has fallen to 1/e."""
Decode = Callable[[Tensor], AgePrediction]
"""From the output of a network for b faces to their ages."""


@dataclass(frozen=True, slots=True, eq=False)
class NetworkExpert:
    """A network that takes faces (b, 3, size, size) in [-1, 1]."""

    net: nn.Module
    size: int
    digest: str
    decode: Decode = AgePrediction.of_logits

    def predict(self, faces: Faces) -> AgePrediction:
        device = next(self.net.parameters()).device
        return self.decode(self.net(faces.at(self.size).to(device)))


@dataclass(frozen=True, slots=True, eq=False)
class ChipExpert:
    """A network from dlib's face chip to a distribution: its mean over margins and mirrored chips.

    logits: chips (b, 3, size, size) in [-1, 1] to (b, n) of the ages 0..n-1.
    """

    logits: Callable[[Tensor], Tensor]
    size: int
    margins: tuple[float, ...]
    digest: str

    def predict(self, faces: Faces) -> AgePrediction:
        shares = mean_shares(self.logits, faces.crops, self.size, self.margins)
        return AgePrediction.of_distribution(shares)


@dataclass(frozen=True, slots=True, eq=False)
class ViewsExpert:
    """A network from a crop to years: their mean over several crops and the mirrored ones.

    The spread is the deviation of these views. years: crops (b, 3, size, size) in [-1, 1] to (b,).
    """

    years: Callable[[Tensor], Tensor]
    places: tuple[Place, ...]
    digest: str

    def predict(self, faces: Faces) -> AgePrediction:
        years = [
            part
            for views in mirrored_views(faces.crops, self.places)
            for part in in_parts(self.years, views).float().cpu().chunk(2)
        ]
        spread = torch.stack(years).std(dim=0)
        return AgePrediction(
            torch.stack(years).mean(dim=0), spread, (-spread / CONFIDENCE_SCALE).exp()
        )


def nano_net(weights: str, build: Callable[[StateDict], Net]) -> tuple[Net, str]:
    """A named age network for drawn portraits, frozen, and the digest of its weights."""
    state = state_of(weights, "age")
    return frozen(build(state)), weights_digest(state)
