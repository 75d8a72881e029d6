"""An expert that is one network on the face."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from engine.experts.base import AgePrediction, Faces
from engine.nets.loading import Net, frozen
from engine.nets.named import state_of
from engine.nets.protocols import weights_digest
from engine.weights.checkpoint import StateDict

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


def mirrored(views: Tensor) -> tuple[Tensor, Tensor]:
    """Views (b, 3, s, s) as they are, and mirrored."""
    return views, views.flip(3)


def nano_net(weights: str, build: Callable[[StateDict], Net]) -> tuple[Net, str]:
    """A named age network for drawn portraits, frozen, and the digest of its weights."""
    state = state_of(weights, "age")
    return frozen(build(state)), weights_digest(state)
