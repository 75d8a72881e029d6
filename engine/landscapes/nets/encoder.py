"""The encoder of the autoencoder: landscapes to Gaussian codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self

import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.landscapes.nets.eru import SLOPE
from engine.landscapes.nets.generator import SMALLEST
from engine.nets.loading import built

LOG_VARIANCE = (-10.0, 2.0)
MOST_GROUPS, PER_GROUP = 32, 8


class Code(NamedTuple):
    """Mean and log variance of the code, (b, latent) each."""

    mean: Tensor
    log_variance: Tensor

    def drawn(self, normal: Tensor) -> Tensor:
        """A code (b, latent) by standard normal numbers."""
        return self.mean + (0.5 * self.log_variance).exp() * normal


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """Width of the code, widths of the maps from half the side down to 4 px."""

    latent: int = 128
    widths: tuple[int, ...] = (32, 64, 128, 256, 512)

    @property
    def size(self) -> int:
        """Side of the pictures in px."""
        return SMALLEST * 2 ** len(self.widths)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict; WeightsError where it is none of an encoder."""
        if "mean.weight" not in state:
            raise WeightsError("`mean.weight` is missing: these are no weights of an encoder")
        widths: list[int] = []
        while (key := f"stages.{len(widths)}.0.weight") in state:
            widths.append(state[key].shape[0])
        return cls(state["mean.weight"].shape[0], tuple(widths))


class LandscapeEncoder(nn.Module):
    """Pictures (b, 3, s, s) in [-1, 1] to codes; it never sees valence and arousal.

    Larger pictures than its own are averaged down first: a code is of the scene, not of its grain.
    """

    def __init__(self, spec: EncoderSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = EncoderSpec() if spec is None else spec
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 4, 2, 1),
                nn.GroupNorm(min(MOST_GROUPS, max(outputs // PER_GROUP, 1)), outputs),
                nn.LeakyReLU(SLOPE),
            )
            for inputs, outputs in pairwise((3, *spec.widths))
        )
        flat = spec.widths[-1] * SMALLEST**2
        self.mean, self.log_variance = (nn.Linear(flat, spec.latent) for _ in range(2))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        spec = EncoderSpec.of(state)
        return built(lambda: cls(spec), state, name="a landscape encoder")

    def forward(self, picture: Tensor) -> Code:
        if (larger := picture.shape[-1] // self.spec.size) > 1:
            picture = F.avg_pool2d(picture, larger)
        for stage in self.stages:
            picture = stage(picture)
        flat = picture.flatten(1)
        return Code(self.mean(flat).float(), self.log_variance(flat).float().clamp(*LOG_VARIANCE))
