"""The independent age evaluator: another architecture than the network that losses use."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn

from engine.nets.age.dex_vgg import expected_age
from engine.nets.loading import built
from engine.nets.nano.trunk import plain_shape, resized

SLOPE = 0.1


@dataclass(frozen=True, slots=True)
class AgeEvaluatorSpec:
    """Input size in px, ages 0..bins-1, widths of the convolutions, width of the hidden layer."""

    size: int = 112
    bins: int = 101
    widths: tuple[int, ...] = (24, 48, 80, 128)
    hidden: int = 64

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict."""
        return cls(*plain_shape(state, "vote.weight", name="a nano age evaluator"))


class NanoAgeEvaluator(nn.Module):
    """Portraits (b, 3, h, w) in [-1, 1] to age logits (b, 101); `age` gives years.

    Plain strided 4x4 convolutions, then fully connected layers, in the manner of a discriminator.
    """

    def __init__(self, spec: AgeEvaluatorSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = AgeEvaluatorSpec() if spec is None else spec
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(SLOPE),
            )
            for inputs, outputs in pairwise((3, *spec.widths))
        )
        flat = spec.widths[-1] * (spec.size // 2 ** len(spec.widths)) ** 2
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Linear(flat, spec.hidden, bias=False),
            nn.BatchNorm1d(spec.hidden),
            nn.LeakyReLU(SLOPE),
        )
        self.vote = nn.Linear(spec.hidden, spec.bins)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        spec = AgeEvaluatorSpec.of(state)
        return built(lambda: cls(spec), state, name="a nano age evaluator")

    def features(self, portrait: Tensor) -> tuple[Tensor, ...]:
        """The maps of the stages, finest first."""
        x = resized(portrait, self.spec.size).contiguous(memory_format=torch.channels_last)
        maps: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)

    def forward(self, portrait: Tensor) -> Tensor:
        return self.vote(self.hidden(self.features(portrait)[-1])).float()

    def age(self, portrait: Tensor) -> Tensor:
        """Expected age in years (b,)."""
        return expected_age(self(portrait))
