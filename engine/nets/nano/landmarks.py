"""The nano landmark network: the 68 landmarks of a portrait, differentiable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.geometry.landmarks import COUNT
from engine.nets.loading import built
from engine.nets.nano.trunk import Trunk, resized, widths_of


@dataclass(frozen=True, slots=True)
class LandmarksSpec:
    """Input size in px, widths of the trunk's stages, width of the hidden layer."""

    size: int = 96
    widths: tuple[int, ...] = (24, 48, 64, 96)
    hidden: int = 96

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict."""
        widths = widths_of(state, name="a nano landmark network")
        if "hidden.1.weight" not in state:
            raise WeightsError("`hidden.1.weight` is missing: this is no nano landmark network")
        hidden, flat = state["hidden.1.weight"].shape
        side = round((flat / widths[-1]) ** 0.5)
        return cls(side * 2 ** len(widths), widths, hidden)


class NanoLandmarks(nn.Module):
    """Portraits (b, 3, h, w) in [-1, 1] to points (b, 68, 2), (x, y) in [-1, 1] of the picture.

    -1 and 1 are the outer edges of the border pixels; `points` gives pixels.
    """

    def __init__(self, spec: LandmarksSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = LandmarksSpec() if spec is None else spec
        flat = spec.widths[-1] * (spec.size // 2 ** len(spec.widths)) ** 2
        self.trunk = Trunk(spec.widths)
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Linear(flat, spec.hidden, bias=False),
            nn.BatchNorm1d(spec.hidden),
            nn.ReLU(),
        )
        self.place = nn.Linear(spec.hidden, 2 * COUNT)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        spec = LandmarksSpec.of(state)
        return built(lambda: cls(spec), state, name="a nano landmark network")

    @torch.no_grad()
    def start_from(self, mean: Tensor) -> None:
        """Make the untrained output `mean` (68, 2) in [-1, 1] for every picture."""
        self.place.weight.zero_()
        self.place.bias.copy_(mean.flatten())

    def features(self, portrait: Tensor) -> tuple[Tensor, ...]:
        """The maps of the stages, finest first."""
        return self.trunk(resized(portrait, self.spec.size))

    def forward(self, portrait: Tensor) -> Tensor:
        hidden = self.hidden(self.features(portrait)[-1])
        return self.place(hidden).float().view(-1, COUNT, 2)

    def points(self, portrait: Tensor) -> Tensor:
        """Points (b, 68, 2) in pixels; the centre of the top left pixel is (0, 0)."""
        return to_pixels(self(portrait), portrait.shape[3])


def to_pixels(points: Tensor, size: int) -> Tensor:
    """Points in [-1, 1] to pixels of a square picture."""
    return ((points + 1) * size - 1) / 2


def from_pixels(points: Tensor, size: int) -> Tensor:
    """Points in pixels of a square picture to [-1, 1]."""
    return (2 * points + 1) / size - 1
