"""The ordinal nano age network: a binary decision for each year of age."""

from typing import Literal

import torch
from torch import Tensor

from engine.experts.base import EXPERTS, AgePrediction, Expert, ExpertTable
from engine.experts.network import NetworkExpert, nano_net
from engine.nets.nano.age_ordinal import NanoAgeOrdinal, ordinal_distribution


@EXPERTS.register("nano-ordinal")
class OrdinalTable(ExpertTable):
    """Drawn portraits only; 80 px, RGB in [-1, 1], of which it takes the luma, as trained
    (`recipes/nano/age_ordinal.toml`).
    """

    domain = "portraits"
    small = True
    preprocessing = "aligned face, 80 px luma in [-1, 1]"
    kind: Literal["nano-ordinal"] = "nano-ordinal"
    weights: str = "nano-age-ordinal"

    def load(self, device: torch.device) -> Expert:
        net, digest = nano_net(self.weights, NanoAgeOrdinal.from_state)
        return NetworkExpert(net.to(device), net.spec.size, digest, of_ordinal)


def of_ordinal(logits: Tensor) -> AgePrediction:
    """The distribution over ages, from the logits (b, n) of being older than each."""
    return AgePrediction.of_distribution(ordinal_distribution(logits))
