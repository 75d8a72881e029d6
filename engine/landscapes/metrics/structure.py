"""Valence and arousal from the structure of landscapes alone: what no recolouring changes.

Every picture is reduced to the order of its lights, its luma equalised, so that a new palette,
exposure or contrast leaves it as it is. What remains is what is drawn: waves, rain, branches,
clouds, flowers, and where. The statistics are energies of gradients by direction, scale and height
in the picture; a ridge regression on them reads the mood. A trained structure evaluator, where one
is named, reads it instead, and the kinds of scenes as well.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.data.landscapes import Landscapes
from engine.landscapes.inference.batches import in_batches
from engine.landscapes.metrics.evaluation import (
    FEWEST,
    Effort,
    Generate,
    distances_by_mood,
    fixed_noise,
    spread_over,
    va_agreement,
)
from engine.landscapes.nets.structure import StructureEvaluator, equalised

SCALES, BANDS, COARSE = 4, 4, 16
FITTED = 1_500
"""Most training images that the regression is fitted to."""
NAME = "structure of equalised luma"
STRENGTHS = (1e-2, 1e-1, 1.0)
"""Ridges, of which folds choose one."""
FOLDS = 5
MOODS = ((0.5, 0.5), (0.2, 0.2), (0.2, 0.8), (0.8, 0.2), (0.8, 0.8))
"""Valence and arousal at which kinds of scenes are counted."""


def structure(pictures: Tensor) -> Tensor:
    """Features (b, n) of the structure of pictures (b, 3, h, w) in [-1, 1], luma alone."""
    plane = equalised(pictures)[:, None]
    features: list[Tensor] = []
    for _ in range(SCALES):
        across, down = plane.diff(dim=3)[:, :, 1:], plane.diff(dim=2)[:, :, :, 1:]
        energies = [across.abs(), down.abs(), (across + down).abs(), (across - down).abs()]
        for energy in energies:
            bands = F.adaptive_avg_pool2d(energy, (BANDS, 1)).flatten(1)
            features.append(bands.clamp_min(1e-4).log())
        features.append(F.adaptive_avg_pool2d(plane, (BANDS, 1)).flatten(1))
        plane = F.avg_pool2d(plane, 2)
    return torch.cat(features, dim=1)


@dataclass(frozen=True, slots=True, eq=False)
class StructureRegression:
    """Weights on the features and their squares; predictions lie in 0..1."""

    weights: Tensor
    mean: Tensor
    std: Tensor

    @classmethod
    def fitted(cls, pictures: Tensor, va: Tensor) -> Self:
        """Fit to pictures (n, 3, s, s) with valence and arousal (n, 2), the ridge by five folds."""
        values = structure(pictures).double()
        mean, std = values.mean(dim=0), values.std(dim=0).clamp_min(1e-6)
        rows, target = _terms((values - mean) / std), va.double() - 0.5
        fold = torch.arange(len(rows)) % FOLDS

        def error(strength: float) -> float:
            parts = [
                rows[fold == k] @ _solved(rows[fold != k], target[fold != k], strength)
                - target[fold == k]
                for k in range(FOLDS)
            ]
            return float(torch.cat(parts).square().mean())

        return cls(_solved(rows, target, min(STRENGTHS, key=error)), mean, std)

    def __call__(self, pictures: Tensor) -> Tensor:
        values = (structure(pictures).cpu().double() - self.mean) / self.std
        return (0.5 + _terms(values) @ self.weights).clamp(0, 1).float()


@dataclass(frozen=True, slots=True, eq=False)
class StructureMetrics:
    """What held-out landscapes show of their mood by structure, and how much it varies.

    ceiling: concordance and error of the reader on them; diversity: mean distance of the ranks of
    two of nearly equal valence and arousal; evaluator: the network that reads them, if any, in
    batches, and kinds: how many kinds of scenes it finds among the real ones.
    """

    regression: Callable[[Tensor], Tensor]
    va: Tensor
    ceiling: dict[str, float]
    diversity: float
    evaluator: Callable[[Tensor], Tensor] | None = None
    kinds: float = 0.0

    @classmethod
    def of(
        cls,
        train: Landscapes,
        test: Landscapes,
        effort: Effort,
        evaluator: StructureEvaluator | None = None,
    ) -> Self:
        """Fit to the training side, unless there is an evaluator; measure the other."""
        rows, held_out = spread_over(train, FITTED), spread_over(test, effort.held_out)
        read = None
        if evaluator is None:
            regression = StructureRegression.fitted(train.tensor(rows), train.va_of(rows))
        else:
            read = partial(_read, evaluator)
            regression = lambda pictures: read(pictures)[:, :2]  # noqa: E731
        real, va = test.tensor(held_out), test.va_of(held_out)
        near, _ = distances_by_mood(_coarse(real), va)
        ceiling = _named(va_agreement(va, regression(real)))
        return cls(regression, va, ceiling, near, read, 0.0 if read is None else _kinds(read(real)))

    @torch.no_grad()
    def compute(self, generate: Generate, latent: int) -> dict[str, float]:
        """`structure_ccc_...`, `structure_mae_...`, and `structure_diversity` beside the real;
        with an evaluator also `kinds_at_a_mood`, how many it finds at one mood beside all real.
        """
        images = generate(fixed_noise(len(self.va), latent, 3), self.va)
        alike = _coarse(generate(fixed_noise(FEWEST, latent, 4), torch.full((FEWEST, 2), 0.5)))
        distance = float(F.pdist(alike, p=1).mean() / alike.shape[1])
        agreement = _named(va_agreement(self.va, self.regression(images)))
        metrics = {**agreement, "structure_diversity": distance / self.diversity}
        if self.evaluator is not None:
            found = [_kinds(self.evaluator(at_one)) for at_one in self._moods(generate, latent)]
            metrics["kinds_at_a_mood"] = sum(found) / len(found) / self.kinds
        return metrics

    def _moods(self, generate: Generate, latent: int) -> Iterator[Tensor]:
        """Pictures of each of five moods, the middle and towards the corners."""
        for index, mood in enumerate(MOODS):
            noise = fixed_noise(FEWEST, latent, 20 + index)
            yield generate(noise, torch.tensor([mood]).expand(FEWEST, 2))


@torch.no_grad()
def _read(evaluator: StructureEvaluator, pictures: Tensor) -> Tensor:
    """Mood and logits of the kinds (n, 2 + k), in batches."""
    device = next(evaluator.parameters()).device
    return in_batches(lambda part: torch.cat(evaluator(part), dim=1), device, pictures)


def _kinds(read: Tensor) -> float:
    """The effective number of kinds: the exponential of the entropy of those found."""
    counts = torch.bincount(read[:, 2:].argmax(dim=1), minlength=read.shape[1] - 2).double()
    shares = counts / counts.sum()
    return float(torch.special.entr(shares).sum().exp())


def _named(agreement: dict[str, float]) -> dict[str, float]:
    return {f"structure_{name}": value for name, value in agreement.items()}


def _coarse(pictures: Tensor) -> Tensor:
    """Ranks of the luma at 16 px, (b, 256)."""
    return F.adaptive_avg_pool2d(equalised(pictures)[:, None], COARSE).flatten(1)


def _terms(values: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(values[:, :1]), values, values.square() - 1], dim=1)


def _solved(rows: Tensor, target: Tensor, strength: float) -> Tensor:
    inner = rows.T @ rows + strength * len(rows) * torch.eye(rows.shape[1]).double()
    return torch.linalg.solve(inner, rows.T @ target)
