"""The encoder of the autoencoder: landscapes to Gaussian latents."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self

import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.landscapes.nets.eru import NEGATIVE_SLOPE
from engine.landscapes.nets.generator import SMALLEST
from engine.nets.loading import built

LOG_VARIANCE = (-10.0, 2.0)
MOST_GROUPS, PER_GROUP = 32, 8


class LatentDistribution(NamedTuple):
    """Mean and log variance of a diagonal Gaussian, (b, latent) each."""

    mean: Tensor
    log_variance: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """A latent (b, latent) from standard normal `noise` (reparameterisation)."""
        return self.mean + (0.5 * self.log_variance).exp() * noise


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """Width of the latent, widths of the feature maps from half the size down to 4 px."""

    latent: int = 128
    widths: tuple[int, ...] = (32, 64, 128, 256, 512)

    @property
    def size(self) -> int:
        """Side of the images in px."""
        return SMALLEST * 2 ** len(self.widths)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict; WeightsError if it is not an encoder's."""
        if "mean.weight" not in state:
            raise WeightsError("`mean.weight` is missing: these are not the weights of an encoder")
        widths: list[int] = []
        while (key := f"stages.{len(widths)}.0.weight") in state:
            widths.append(state[key].shape[0])
        return cls(state["mean.weight"].shape[0], tuple(widths))


class LandscapeEncoder(nn.Module):
    """Images (b, 3, s, s) in [-1, 1] to latents, without valence and arousal.

    Larger images are averaged down to the encoder's size first.
    """

    def __init__(self, spec: EncoderSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = EncoderSpec() if spec is None else spec
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 4, 2, 1),
                nn.GroupNorm(min(MOST_GROUPS, max(outputs // PER_GROUP, 1)), outputs),
                nn.LeakyReLU(NEGATIVE_SLOPE),
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

    def forward(self, picture: Tensor) -> LatentDistribution:
        if (larger := picture.shape[-1] // self.spec.size) > 1:
            picture = F.avg_pool2d(picture, larger)
        for stage in self.stages:
            picture = stage(picture)
        flat = picture.flatten(1)
        return LatentDistribution(
            self.mean(flat).float(), self.log_variance(flat).float().clamp(*LOG_VARIANCE)
        )
