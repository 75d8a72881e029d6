"""The nano age transformer: attention over patches to a mean age and its spread."""

from typing import Literal

import torch
from torch import Tensor

from engine.experts.base import EXPERTS, AgePrediction, Expert, ExpertTable
from engine.experts.network import NetworkExpert, nano_net
from engine.nets.nano.age_tokens import NanoAgeTokens, normal_age


@EXPERTS.register("nano-tokens")
class TokensTable(ExpertTable):
    """Drawn portraits only; 64 px, RGB in [-1, 1], as trained (`recipes/nano/age_tokens.toml`)."""

    domain = "portraits"
    small = True
    preprocessing = "aligned face, 64 px RGB in [-1, 1]"
    kind: Literal["nano-tokens"] = "nano-tokens"
    weights: str = "nano-age-tokens"

    def load(self, device: torch.device) -> Expert:
        net, digest = nano_net(self.weights, NanoAgeTokens.from_state)
        return NetworkExpert(net.to(device), net.spec.size, digest, of_normal)


def of_normal(output: Tensor) -> AgePrediction:
    """The normal distribution that the outputs (b, 2) parametrise."""
    return AgePrediction.of_normal(*normal_age(output))
