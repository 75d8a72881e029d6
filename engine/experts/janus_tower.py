"""What Janus-Pro sees, without its words: the image tower as a judge for losses."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.experts.kinds.janus import JanusTable
from engine.nets.loading import frozen
from engine.nets.nano.trunk import resized


@dataclass(frozen=True, slots=True, eq=False)
class JanusTower:
    """SigLIP as Janus-Pro trained it on: the mean over its places of the last features.

    Pictures are brought to the tower's side bilinearly, where the processor does it in bicubic
    steps of whole values, which no gradient passes.
    """

    net: Any
    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def features(self, pictures: Tensor) -> Tensor:
        with torch.autocast(pictures.device.type, enabled=False):
            x = (resized(pictures.float(), self.net.config.image_size) + 1) / 2
            mean, std = (x.new_tensor(one)[:, None, None] for one in (self.mean, self.std))
            seen = self.net(((x - mean) / std).to(self.net.dtype)).last_hidden_state
            return seen.float().mean(dim=1)


def load_tower(name: str, device: torch.device) -> JanusTower:
    """The tower of a named Janus-Pro or of one in a folder; errors as of the expert."""
    expert = JanusTable(weights=name).load(torch.device("cpu"))
    seen = expert.processor.image_processor
    return JanusTower(
        frozen(expert.net.model.vision_model).to(device),
        name,
        tuple(float(value) for value in seen.image_mean),
        tuple(float(value) for value in seen.image_std),
    )
