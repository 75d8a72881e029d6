"""Metrics of a landscape generator: valence and arousal, distribution, diversity, red flags."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.data.landscapes import Landscapes
from engine.landscapes.metrics.features import colours, statistics
from engine.landscapes.metrics.red_flags import FEWEST, FlagLimits
from engine.landscapes.metrics.va_regression import ColorStatisticsRegression, VaPredictor
from engine.metrics.age import spearman
from engine.metrics.distributions import concordance, frechet, kernel, standardised

Generate = Callable[[Tensor, Tensor], Tensor]
"""Standard normal latents (n, latent), valence and arousal (n, 2) to images (n, 3, s, s), CPU."""
FITTED, FLAGGED = 400, 64
SIDE = 16
MIN_LATENT_DIVERSITY, MIN_VA_DIVERSITY, MAX_COPIES = 0.5, 0.25, 0.05
"""Limits of three red flags: shares of the diversity of real images, and share of copies."""
FLAG_PENALTY = 0.1
"""What a red flag subtracts from the selection score."""
COPY_QUANTILE = 0.01
"""Share of held-out images that lie as near to a training image as a copy."""
CORRELATED = {
    "valence": {"luma": 0, "chroma": 1, "warmth": 2},
    "arousal": {"contrast": 5, "edges": 6},
}
"""Columns of `colours` that valence and arousal change in the landscape world."""
CORNERS = ((0.1, 0.1), (0.1, 0.9), (0.9, 0.1), (0.9, 0.9))


class Effort(NamedTuple):
    """Most held-out and training images that are compared; scenes and steps of the sweeps."""

    held_out: int = 512
    training: int = 2_000
    sweeps: int = 12
    steps: int = 5


QUICK, FULL = Effort(), Effort(1_000, 20_000, 50, 9)
"""For a validation, and for a report."""


@dataclass(frozen=True, slots=True, eq=False)
class LandscapeMetrics:
    """Statistics of held-out landscapes, computed once; generators are compared with them."""

    effort: Effort
    real: np.ndarray
    """Features (n, d)."""
    va: Tensor
    floor: dict[str, float]
    """Kernel and Frechet distances of two halves of the real images."""
    predictor: VaPredictor
    ceiling: dict[str, float]
    """Concordance and error of the predictor on the real images."""
    limits: FlagLimits
    latent_diversity: float
    """Mean distance of real images of nearly equal valence and arousal."""
    va_diversity: float
    """Mean distance of real images of opposite corners of the plane."""
    training: Tensor
    """Training images, small and flat (m, d)."""
    copy_distance: float
    """Distance to the nearest of them below which an image counts as a copy."""
    correlations: dict[str, float]
    """Rank correlations of valence, arousal and colours over the real images."""

    @classmethod
    def of(
        cls,
        train: Landscapes,
        validation: Landscapes,
        predictor: VaPredictor | None,
        effort: Effort = QUICK,
    ) -> Self:
        """Measure the landscapes; without a predictor, a ridge regression is fitted to `train`."""
        rows = spread_over(train, FITTED)
        known = train.tensor(rows)
        if predictor is None:
            predictor = ColorStatisticsRegression.fitted(known, train.va_of(rows))
        held_out = spread_over(validation, effort.held_out)
        real, va = validation.tensor(held_out), validation.va_of(held_out)
        features = statistics(real).numpy()
        near, far = distances_by_mood(_flat(real), va)
        chunks = _chunks(train, effort.training)
        training = torch.cat([_flat(train.tensor(chunk)) for chunk in chunks])
        return cls(
            effort=effort,
            real=features,
            va=va,
            floor=_distances(*standardised(features, features[::2], features[1::2])[1:]),
            predictor=predictor,
            ceiling=va_agreement(va, predictor(real)),
            limits=FlagLimits.of(known),
            latent_diversity=near,
            va_diversity=far,
            training=training,
            copy_distance=float(_nearest(_flat(real), training).quantile(COPY_QUANTILE)),
            correlations=_correlations(real, va),
        )

    @torch.no_grad()
    def compute(self, generate: Generate, latent: int) -> tuple[dict[str, float], dict[str, float]]:
        """The metrics of a generator, and its red flags with the values that raised them.

        `selection_score` is the mean concordance less the Frechet distance, capped at 2, and
        less a tenth for each flag.
        """
        images = generate(fixed_noise(len(self.va), latent, 3), self.va)
        agreement = va_agreement(self.va, self.predictor(images))
        distances = _distances(*standardised(self.real, statistics(images).numpy()))
        same_va = generate(fixed_noise(FEWEST, latent, 4), torch.full((FEWEST, 2), 0.5))
        latent_diversity = _mean_distance(same_va) / self.latent_diversity
        va_diversity = self._corner_distance(generate, latent) / self.va_diversity
        near = _nearest(_flat(images), self.training) < self.copy_distance
        copies = float(near.float().mean())
        flags = self.limits.raised(images[:FLAGGED]) if len(images) >= FEWEST else {}
        flags |= {"collapse": latent_diversity} if latent_diversity < MIN_LATENT_DIVERSITY else {}
        flags |= {"ignores_va": va_diversity} if va_diversity < MIN_VA_DIVERSITY else {}
        flags |= {"copies": copies} if copies > MAX_COPIES else {}
        selection_score = mean_ccc(agreement) - min(distances["frechet_distance"], 2.0)
        selection_score -= FLAG_PENALTY * len(flags)
        metrics = {
            "selection_score": selection_score,
            **agreement,
            **distances,
            "latent_diversity": latent_diversity,
            "va_diversity": va_diversity,
            "copies": copies,
            "red_flags": float(len(flags)),
        }
        return metrics | self._sweeps(generate, latent), flags

    def _corner_distance(self, generate: Generate, latent: int) -> float:
        noise = fixed_noise(FEWEST, latent, 5)
        small = [_small(generate(noise, torch.tensor([va]).expand(FEWEST, 2))) for va in CORNERS]
        pairs = [(0, 3), (1, 2), (0, 1), (2, 3), (0, 2), (1, 3)]
        return float(np.mean([(small[i] - small[j]).abs().mean().item() for i, j in pairs]))

    def _sweeps(self, generate: Generate, latent: int) -> dict[str, float]:
        """Rank correlations of colours with valence, or arousal, along sweeps of one latent.

        step_ratio: the largest step of a sweep over its mean step; 1 for even steps.
        """
        scenes, steps = self.effort.sweeps, self.effort.steps
        ticks = torch.linspace(0.1, 0.9, steps)
        noise = fixed_noise(scenes, latent, 6).repeat_interleave(steps, 0)
        metrics: dict[str, float] = {}
        for axis, (name, columns) in enumerate(CORRELATED.items()):
            va = torch.full((scenes * steps, 2), 0.5)
            va[:, axis] = ticks.repeat(scenes)
            images = generate(noise, va)
            metrics[f"{name}_step_ratio"] = _step_ratio(_flat(images).unflatten(0, (scenes, steps)))
            rows = colours(images).unflatten(0, (scenes, steps)).numpy()
            for colour, column in columns.items():
                rhos = [spearman(ticks.numpy(), row[:, column]) for row in rows]
                metrics[f"{name}_{colour}"] = float(np.mean(rhos))
        return metrics


def fixed_noise(count: int, width: int, seed: int) -> Tensor:
    """Standard normal numbers (count, width), always the same for a seed."""
    random = np.random.default_rng([71, seed])
    return torch.from_numpy(random.standard_normal((count, width), dtype=np.float32))


def va_agreement(target: Tensor, predicted: Tensor) -> dict[str, float]:
    """Lin's concordance and mean absolute error of valence and arousal, (n, 2) each."""
    metrics: dict[str, float] = {}
    for axis, name in enumerate(CORRELATED):
        truth, values = target[:, axis].numpy(), predicted[:, axis].numpy()
        metrics[f"ccc_{name}"] = concordance(truth, values)
        metrics[f"mae_{name}"] = float(np.abs(values - truth).mean())
    return metrics


def mean_ccc(metrics: Mapping[str, float]) -> float:
    """The mean concordance of valence and arousal."""
    return (metrics["ccc_valence"] + metrics["ccc_arousal"]) / 2


def _distances(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    return {
        "kernel_distance": kernel(one, other),
        "frechet_distance": frechet(one, other) / one.shape[1],
    }


def _correlations(real: Tensor, va: Tensor) -> dict[str, float]:
    values = colours(real).numpy()
    return {
        f"{name}_{colour}": spearman(va[:, axis].numpy(), values[:, column])
        for axis, (name, columns) in enumerate(CORRELATED.items())
        for colour, column in columns.items()
    }


def spread_over(landscapes: Landscapes, most: int) -> range:
    """At most `most` rows at even distances: neighbours in a folder are often alike."""
    step = -(-len(landscapes) // most)
    return range(0, len(landscapes), step)


def _chunks(landscapes: Landscapes, most: int, size: int = 500) -> list[range]:
    rows = spread_over(landscapes, most)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _small(pictures: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(pictures.float(), SIDE)


def _flat(pictures: Tensor) -> Tensor:
    return _small(pictures).flatten(1)


def _nearest(one: Tensor, others: Tensor) -> Tensor:
    """Mean absolute difference (n,) of each of (n, d) to the nearest of (m, d)."""
    return torch.cdist(one, others, p=1).amin(dim=1) / one.shape[1]


def _step_ratio(paths: Tensor) -> float:
    """Largest step over mean step along paths (n, steps, d), the mean over the paths."""
    steps = paths.diff(dim=1).abs().mean(dim=2)
    return float((steps.amax(dim=1) / steps.mean(dim=1).clamp_min(1e-6)).mean())


def _mean_distance(pictures: Tensor) -> float:
    """Mean absolute difference of all pairs of pictures, at 16 px."""
    flat = _flat(pictures)
    return float(F.pdist(flat, p=1).mean() / flat.shape[1])


def distances_by_mood(flat: Tensor, va: Tensor) -> tuple[float, float]:
    """Mean distance of images (n, d) of nearly equal valence and arousal, and of very different."""
    apart = torch.cdist(flat, flat, p=1) / flat.shape[1]
    away = torch.cdist(va, va)
    upper = torch.ones_like(away, dtype=torch.bool).triu(1)
    ordered = away[upper].sort().values
    # The nearest tenth of all pairs counts as equal: few photos share their ratings exactly.
    low, high = (float(ordered[int(share * (len(ordered) - 1))]) for share in (0.1, 0.9))
    near, far = upper & (away <= low), upper & (away >= high)
    return float(apart[near].mean()), float(apart[far].mean())
