"""The expert that most are: a network that is shown the face, and how its word is read."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from engine.experts.base import Answer, Faces
from engine.nets.loading import Net, frozen
from engine.nets.named import state_of
from engine.nets.protocols import weights_digest
from engine.weights.checkpoint import StateDict

Read = Callable[[Tensor], Answer]
"""From what a network says of b faces to the answer."""


@dataclass(frozen=True, slots=True, eq=False)
class NetworkExpert:
    """Shows a network faces (b, 3, size, size) in [-1, 1]."""

    net: nn.Module
    size: int
    digest: str
    read: Read = Answer.of_logits

    def answer(self, faces: Faces) -> Answer:
        device = next(self.net.parameters()).device
        return self.read(self.net(faces.at(self.size).to(device)))


def nano_net(weights: str, build: Callable[[StateDict], Net]) -> tuple[Net, str]:
    """A named age network of the portrait world, frozen, and the digest of its content."""
    state = state_of(weights, "age")
    return frozen(build(state)), weights_digest(state)
