"""DEX: apparent age as the expectation over 101 classes of a VGG-16 (Rothe et al. 2018).

The network behind SAM's ageing loss (Alaluf et al. 2021, section 3).
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.loading import built

DEPTHS = (2, 2, 3, 3, 3)
SHRINK = 32


@dataclass(frozen=True, slots=True)
class DexSpec:
    """Input size in px, channels of the five stages, hidden width, ages 0..bins-1."""

    size: int = 224
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    hidden: int = 4096
    bins: int = 101

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict."""
        try:
            widths = tuple(state[f"conv{stage}_1.weight"].shape[0] for stage in range(1, 6))
            hidden, flat = state["fc6.weight"].shape
            bins = state["fc8_101.weight"].shape[0]
        except KeyError as error:
            raise WeightsError(f"{error} is missing: these are no DEX weights") from error
        return cls(round((flat / widths[-1]) ** 0.5) * SHRINK, widths, hidden, bins)


class Dex(nn.Module):
    """Portraits (b, 3, h, w) in [-1, 1] to age logits (b, 101); `age` gives years."""

    def __init__(self, spec: DexSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = DexSpec() if spec is None else spec
        inputs = 3
        for stage, (depth, outputs) in enumerate(zip(DEPTHS, spec.widths, strict=True), start=1):
            for index in range(1, depth + 1):
                self.add_module(f"conv{stage}_{index}", nn.Conv2d(inputs, outputs, 3, padding=1))
                inputs = outputs
        self.fc6 = nn.Linear(inputs * (spec.size // SHRINK) ** 2, spec.hidden)
        self.fc7 = nn.Linear(spec.hidden, spec.hidden)
        self.fc8_101 = nn.Linear(spec.hidden, spec.bins)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        spec = DexSpec.of(state)
        return built(lambda: cls(spec), state, name="DEX on VGG-16")

    def forward(self, portrait: Tensor) -> Tensor:
        size = self.spec.size
        x = portrait.contiguous(memory_format=torch.channels_last)
        if x.shape[2:] != (size, size):
            # Without antialiasing, as the published losses feed it.
            x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
        for stage, depth in enumerate(DEPTHS, start=1):
            for index in range(1, depth + 1):
                x = F.relu_(self.get_submodule(f"conv{stage}_{index}")(x))
            x = F.max_pool2d(x, 2)
        x = F.relu_(self.fc6(x.flatten(1)))
        return self.fc8_101(F.relu_(self.fc7(x)))

    def age(self, portrait: Tensor) -> Tensor:
        """Apparent age in years (b,)."""
        return expected_age(self(portrait))


def expected_age(logits: Tensor) -> Tensor:
    """Mean of 0, 1, 2, ... years under softmax(logits (b, bins)): (b,)."""
    years = torch.arange(logits.shape[1], dtype=torch.float32, device=logits.device)
    return logits.float().softmax(dim=1) @ years


def expected_age_reference(logits: Tensor) -> Tensor:
    """The definition of `expected_age`: one term after the other."""
    share = logits.float().softmax(dim=1)
    ages = torch.zeros(len(logits))
    for row, year in itertools.product(range(len(logits)), range(logits.shape[1])):
        ages[row] += year * share[row, year]
    return ages
