"""The nano age network: residual convolutions to a distribution over ages."""

from dataclasses import dataclass
from typing import Literal

import torch

from engine.experts.base import EXPERTS, Answer, Expert, ExpertTable, Faces
from engine.nets.faces import weights_digest
from engine.nets.loading import frozen
from engine.nets.named import state_of
from engine.nets.nano.age import NanoAge


@EXPERTS.register("nano-age")
class NanoAgeTable(ExpertTable):
    """Drawn portraits only; 96 px, RGB in [-1, 1], as trained (`recipes/nano/age.toml`)."""

    domain = "portraits"
    seen = "aligned face, 96 px RGB in [-1, 1]"
    kind: Literal["nano-age"] = "nano-age"
    weights: str = "nano-age"

    def load(self, device: torch.device) -> Expert:
        state = state_of(self.weights, "age")
        return NanoAgeExpert(frozen(NanoAge.from_state(state)).to(device), weights_digest(state))


@dataclass(frozen=True, slots=True, eq=False)
class NanoAgeExpert:
    """Its softmax is the answer."""

    net: NanoAge
    digest: str

    def answer(self, faces: Faces) -> Answer:
        device = self.net.vote.weight.device
        return Answer.of_shares(self.net(faces.at(self.net.spec.size).to(device)).softmax(dim=1))
