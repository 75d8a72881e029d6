"""Valence and arousal from colour statistics by ridge regression: the default VA evaluator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from engine.landscapes.metrics.features import colours

VaPredictor = Callable[[Tensor], Tensor]
"""Images (b, 3, s, s) in [-1, 1] to valence and arousal (b, 2)."""
RIDGE = "ridge regression on colour statistics"
"""Its name in reports and cards."""


@dataclass(frozen=True, slots=True, eq=False)
class ColorStatisticsRegression:
    """Weights on seven colour statistics, their squares and products; predictions lie in 0..1."""

    weights: Tensor
    mean: Tensor
    std: Tensor

    @classmethod
    def fitted(cls, pictures: Tensor, va: Tensor, *, strength: float = 1e-2) -> Self:
        """Fit to pictures (n, 3, s, s) with valence and arousal (n, 2)."""
        values = colours(pictures).double()
        mean, std = values.mean(dim=0), values.std(dim=0).clamp_min(1e-6)
        rows = _terms((values - mean) / std)
        inner = rows.T @ rows + strength * len(rows) * torch.eye(rows.shape[1]).double()
        weights = torch.linalg.solve(inner, rows.T @ (va.double() - 0.5))
        return cls(weights, mean, std)

    def __call__(self, pictures: Tensor) -> Tensor:
        values = (colours(pictures).cpu().double() - self.mean) / self.std
        return (0.5 + _terms(values) @ self.weights).clamp(0, 1).float()


def _terms(values: Tensor) -> Tensor:
    one, other = torch.triu_indices(values.shape[1], values.shape[1])
    ones = torch.ones_like(values[:, :1])
    return torch.cat([ones, values, values[:, one] * values[:, other]], dim=1)
