"""The VA evaluator: an independent regressor of valence and arousal, used in no loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.loading import built
from engine.nets.nano.trunk import Trunk, resized, widths_of


@dataclass(frozen=True, slots=True)
class VaEvaluatorSpec:
    """Input size in px and widths of the trunk's stages."""

    size: int = 64
    widths: tuple[int, ...] = (24, 48, 96, 128)


class VaEvaluator(nn.Module):
    """Images (b, 3, h, w) in [-1, 1] to valence and arousal (b, 2) in 0..1.

    The head reads means and standard deviations of the last feature map and of the colours.
    """

    def __init__(self, spec: VaEvaluatorSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = VaEvaluatorSpec() if spec is None else spec
        self.trunk = Trunk(spec.widths)
        self.norm = nn.BatchNorm1d(2 * spec.widths[-1] + 6)
        self.read = nn.Linear(2 * spec.widths[-1] + 6, 2)
        self.register_buffer("side", torch.tensor(spec.size))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        if "read.weight" not in state or "side" not in state:
            raise WeightsError(
                "`read.weight` is missing: these are not the weights of a VA evaluator"
            )
        spec = VaEvaluatorSpec(int(state["side"]), widths_of(state, name="a VA evaluator"))
        return built(lambda: cls(spec), state, name="a VA evaluator")

    def features(self, picture: Tensor) -> Tensor:
        """The input of the last layer, (b, width)."""
        picture = resized(picture, self.spec.size)
        maps = (self.trunk(picture)[-1].float(), picture.float())
        pooled = [statistic(x) for x in maps for statistic in (_mean, _std)]
        return self.norm(torch.cat(pooled, dim=1))

    def forward(self, picture: Tensor) -> Tensor:
        return torch.sigmoid(self.read(self.features(picture)).float())


def _mean(x: Tensor) -> Tensor:
    return x.mean(dim=(2, 3))


def _std(x: Tensor) -> Tensor:
    return (x.var(dim=(2, 3), correction=0) + 1e-6).sqrt()
