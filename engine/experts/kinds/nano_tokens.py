"""The nano age transformer: attention over patches to a mean age and its spread."""

from dataclasses import dataclass
from typing import Literal

import torch

from engine.experts.base import EXPERTS, Answer, Expert, ExpertTable, Faces
from engine.nets.faces import weights_digest
from engine.nets.loading import frozen
from engine.nets.named import state_of
from engine.nets.nano.age_tokens import NanoAgeTokens, normal_age


@EXPERTS.register("nano-tokens")
class TokensTable(ExpertTable):
    """Drawn portraits only; 64 px, RGB in [-1, 1], as trained (`recipes/nano/age_tokens.toml`)."""

    domain = "portraits"
    seen = "aligned face, 64 px RGB in [-1, 1]"
    kind: Literal["nano-tokens"] = "nano-tokens"
    weights: str = "nano-age-tokens"

    def load(self, device: torch.device) -> Expert:
        state = state_of(self.weights, "age")
        return TokensExpert(
            frozen(NanoAgeTokens.from_state(state)).to(device), weights_digest(state)
        )


@dataclass(frozen=True, slots=True, eq=False)
class TokensExpert:
    """Its normal distribution is the answer."""

    net: NanoAgeTokens
    digest: str

    def answer(self, faces: Faces) -> Answer:
        device = self.net.places.device
        return Answer.of_normal(*normal_age(self.net(faces.at(self.net.spec.size).to(device))))
