"""The baseline that draws nothing: real scenes given the colours of another mood."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

STRENGTH = 1e-3
SMALLEST = 0.02
"""Of a channel's standard deviation, where the range is 2."""


@dataclass(frozen=True, slots=True, eq=False)
class Recolouring:
    """Scenes (m, 3, s, s), and mean and deviation of each channel by valence and arousal.

    The transfer of Reinhard et al. (2001) in RGB, its targets by a quadratic ridge regression. As a
    generator the latent chooses the scene, and valence and arousal its colours.
    """

    scenes: Tensor
    weights: Tensor

    @classmethod
    def fitted(cls, pictures: Tensor, va: Tensor, scenes: Tensor) -> Self:
        """Fit to real pictures (n, 3, s, s) with valence and arousal (n, 2); recolours `scenes`."""
        rows, flat = _terms(va), pictures.double().flatten(2)
        target = torch.cat([flat.mean(dim=2), flat.std(dim=2).clamp_min(SMALLEST).log()], dim=1)
        inner = rows.T @ rows + STRENGTH * len(rows) * torch.eye(rows.shape[1]).double()
        return cls(scenes, torch.linalg.solve(inner, rows.T @ target))

    def __call__(self, noise: Tensor, va: Tensor) -> Tensor:
        """Latents (n, d) and valence and arousal (n, 2) to pictures (n, 3, s, s)."""
        chosen = (noise[:, 0].abs() * 10_007).long() % len(self.scenes)
        scenes = self.scenes[chosen].double()
        mean, deviation = (_terms(va) @ self.weights).split(3, dim=1)
        flat = scenes.flatten(2)
        spread = flat.std(dim=2).clamp_min(SMALLEST)
        scaled = (flat - flat.mean(dim=2)[..., None]) / spread[..., None]
        made = scaled * deviation.exp()[..., None] + mean[..., None]
        return made.view_as(scenes).clamp(-1, 1).float()


def _terms(va: Tensor) -> Tensor:
    v, a = va.double().unbind(dim=1)
    return torch.stack([torch.ones_like(v), v, a, v * v, v * a, a * a], dim=1)
