"""The learned gate over four experts that the AgeTransformer repository fuses ages by.

It has 216 parameters and is kept so that its published file can be used.
"""

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn

from engine.nets.loading import built

ORDER = ("janus", "vgg16", "mivolo", "resnet50")
"""Whose age stands in which column."""
HIDDEN = 16


class AgeMlp(nn.Module):
    """One expert's ages (b, 1) through a small MLP; never below 0."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(1, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))

    def forward(self, ages: Tensor) -> Tensor:
        return self.mlp(ages).clamp(min=0)


class AgeGate(nn.Module):
    """Ages (b, 4) in years, NaN where an expert gives none, to weights and adjusted ages (b, 4).

    Weights are 0 for those and sum to 1 over the others; none at all gives NaN.
    """

    def __init__(self, experts: int = len(ORDER)) -> None:
        super().__init__()
        self.gating = nn.Linear(experts, experts)
        self.expert_mlps = nn.ModuleList(AgeMlp() for _ in range(experts))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The gate that a state dict describes, holding its tensors."""
        return built(cls, state, name="the gate of four age experts")

    def forward(self, ages: Tensor) -> tuple[Tensor, Tensor]:
        absent = ages.isnan()
        known = ages.masked_fill(absent, 0.0)
        weights = self.gating(known).softmax(dim=1).masked_fill(absent, 0.0)
        adjusted = [mlp(known[:, i : i + 1]) for i, mlp in enumerate(self.expert_mlps)]
        adjusted = torch.cat(adjusted, dim=1).masked_fill(absent, float("nan"))
        return weights / weights.sum(dim=1, keepdim=True), adjusted
