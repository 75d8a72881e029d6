"""The vision tower of Janus-Pro as a feature extractor for losses."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.experts.kinds.janus import JanusTable
from engine.nets.loading import frozen
from engine.nets.nano.trunk import resized


@dataclass(frozen=True, slots=True, eq=False)
class JanusTower:
    """SigLIP as Janus-Pro fine-tuned it: the mean of the last features over the patches.

    Pictures are resized bilinearly to the tower's side; the processor's bicubic resize of whole
    values passes no gradient.
    """

    net: Any
    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def features(self, pictures: Tensor) -> Tensor:
        """Features (b, d) of pictures (b, 3, s, s) in [-1, 1]."""
        with torch.autocast(pictures.device.type, enabled=False):
            x = (resized(pictures.float(), self.net.config.image_size) + 1) / 2
            mean, std = (x.new_tensor(one)[:, None, None] for one in (self.mean, self.std))
            states = self.net(((x - mean) / std).to(self.net.dtype)).last_hidden_state
            return states.float().mean(dim=1)


def load_tower(name: str, device: torch.device) -> JanusTower:
    """The tower of a named Janus-Pro or of one in a folder; errors as for the expert."""
    expert = JanusTable(weights=name).load(torch.device("cpu"))
    processor = expert.processor.image_processor
    return JanusTower(
        frozen(expert.net.model.vision_model).to(device),
        name,
        tuple(float(value) for value in processor.image_mean),
        tuple(float(value) for value in processor.image_std),
    )
