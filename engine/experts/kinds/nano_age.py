"""The nano age network: residual convolutions to a distribution over ages."""

from typing import Literal

import torch

from engine.experts.base import EXPERTS, Expert, ExpertTable
from engine.experts.network import NetworkExpert, nano_net
from engine.nets.nano.age import NanoAge


@EXPERTS.register("nano-age")
class NanoAgeTable(ExpertTable):
    """Drawn portraits only; 96 px, RGB in [-1, 1], as trained (`recipes/nano/age.toml`)."""

    domain = "portraits"
    small = True
    preprocessing = "aligned face, 96 px RGB in [-1, 1]"
    kind: Literal["nano-age"] = "nano-age"
    weights: str = "nano-age"

    def load(self, device: torch.device) -> Expert:
        net, digest = nano_net(self.weights, NanoAge.from_state)
        return NetworkExpert(net.to(device), net.spec.size, digest)
