"""Valence and arousal from colours alone, by ridge regression: where there is no better judge."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from engine.landscapes.metrics.features import colours

Judge = Callable[[Tensor], Tensor]
"""Pictures (b, 3, s, s) in [-1, 1] to places (b, 2)."""


@dataclass(frozen=True, slots=True, eq=False)
class ColorStatisticsRegression:
    """Weights on seven colour statistics, their squares and products; answers lie in 0..1."""

    weights: Tensor
    mean: Tensor
    spread: Tensor

    @classmethod
    def fitted(cls, pictures: Tensor, places: Tensor, *, strength: float = 1e-2) -> Self:
        """Fit to pictures (n, 3, s, s) at places (n, 2)."""
        seen = colours(pictures).double()
        mean, spread = seen.mean(dim=0), seen.std(dim=0).clamp_min(1e-6)
        rows = _terms((seen - mean) / spread)
        inner = rows.T @ rows + strength * len(rows) * torch.eye(rows.shape[1]).double()
        weights = torch.linalg.solve(inner, rows.T @ (places.double() - 0.5))
        return cls(weights, mean, spread)

    def __call__(self, pictures: Tensor) -> Tensor:
        seen = (colours(pictures).cpu().double() - self.mean) / self.spread
        return (0.5 + _terms(seen) @ self.weights).clamp(0, 1).float()


def _terms(seen: Tensor) -> Tensor:
    one, other = torch.triu_indices(seen.shape[1], seen.shape[1])
    return torch.cat([torch.ones_like(seen[:, :1]), seen, seen[:, one] * seen[:, other]], dim=1)
