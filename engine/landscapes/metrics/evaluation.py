"""What a generator of landscapes is worth: mood, distribution, variety, and red flags."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.data.landscapes import Landscapes
from engine.landscapes.metrics.features import colours, statistics
from engine.landscapes.metrics.red_flags import FEWEST, Limits
from engine.landscapes.metrics.va_regression import ColorStatisticsRegression, Judge
from engine.metrics.age import spearman
from engine.metrics.distributions import concordance, frechet, kernel, standardised

Paint = Callable[[Tensor, Tensor], Tensor]
"""Standard normal codes (n, latent) and places (n, 2) to pictures (n, 3, s, s) on the CPU."""
STANDARD, FLAGGED = 400, 64
SMALL = 16
COLLAPSED, DEAF, COPIES = 0.5, 0.25, 0.05
"""Shares of the real variety below which codes, or places, no longer matter; share of copies."""
FLAW = 0.1
"""What a red flag takes from the selection_score."""
UNSEEN = 0.01
"""Share of held-out pictures that lie as near to one learned from as a copy is taken to."""
SHOWN_BY = {"v": {"luma": 0, "chroma": 1, "warmth": 2}, "a": {"contrast": 5, "edges": 6}}
"""Columns of `colours` that valence and arousal move in the landscape world."""
CORNERS = ((0.1, 0.1), (0.1, 0.9), (0.9, 0.1), (0.9, 0.9))


class Effort(NamedTuple):
    """How many held-out pictures are looked at, pictures learned from, scenes swept and steps."""

    examined: int = 512
    learned: int = 2_000
    sweeps: int = 12
    steps: int = 5


QUICK, FULL = Effort(), Effort(1_000, 20_000, 50, 9)
"""For a validation, and for a report."""


@dataclass(frozen=True, slots=True, eq=False)
class LandscapeMetrics:
    """Held-out landscapes, measured once; every generator is compared with them."""

    effort: Effort
    real: np.ndarray
    """Features (n, d)."""
    places: Tensor
    floor: dict[str, float]
    """Kernel and Frechet distances of two halves of the real ones."""
    judge: Judge
    ceiling: dict[str, float]
    """Concordance and error of the judge on the real ones."""
    limits: Limits
    variety: float
    """Mean distance of real pictures of nearly one place."""
    corners: float
    """Mean distance of real pictures of opposite corners."""
    learned: Tensor
    """Pictures learned from, small and flat (m, d)."""
    copied: float
    """Distance to the nearest of them below which a picture is a copy."""
    follows: dict[str, float]
    """Rank correlations of places and colours over the real pictures."""

    @classmethod
    def of(
        cls, learn: Landscapes, check: Landscapes, judge: Judge | None, effort: Effort = QUICK
    ) -> Self:
        """Measure the landscapes; without a judge a ridge is fitted to those learned from."""
        rows = _spread_over(learn, STANDARD)
        known = learn.tensor(rows)
        if judge is None:
            judge = ColorStatisticsRegression.fitted(known, learn.place(rows))
        held = _spread_over(check, effort.examined)
        real, places = check.tensor(held), check.place(held)
        features = statistics(real).numpy()
        near, far = _variety(real, places)
        learned = torch.cat([_flat(learn.tensor(part)) for part in _parts(learn, effort.learned)])
        return cls(
            effort=effort,
            real=features,
            places=places,
            floor=_distances(*standardised(features, features[::2], features[1::2])[1:]),
            judge=judge,
            ceiling=agreement(places, judge(real)),
            limits=Limits.of(known),
            variety=near,
            corners=far,
            learned=learned,
            copied=float(_nearest(_flat(real), learned).quantile(UNSEEN)),
            follows=_follows(real, places),
        )

    @torch.no_grad()
    def figures(self, paint: Paint, latent: int) -> tuple[dict[str, float], dict[str, float]]:
        """Figures of a generator, and its red flags with what raised them.

        `selection_score` is the mean concordance less the Frechet distance, capped at 2, and
        less a tenth for each flag.
        """
        painted = paint(normals(len(self.places), latent, 3), self.places)
        mood = agreement(self.places, self.judge(painted))
        apart = _distances(*standardised(self.real, statistics(painted).numpy()))
        mates = paint(normals(FEWEST, latent, 4), torch.full((FEWEST, 2), 0.5))
        variety = _mean_distance(mates) / self.variety
        corners = self._corner_distance(paint, latent) / self.corners
        copies = float((_nearest(_flat(painted), self.learned) < self.copied).float().mean())
        flags = self.limits.raised(painted[:FLAGGED]) if len(painted) >= FEWEST else {}
        flags |= {"collapse": variety} if variety < COLLAPSED else {}
        flags |= {"deaf": corners} if corners < DEAF else {}
        flags |= {"copies": copies} if copies > COPIES else {}
        selection_score = (mood["ccc_valence"] + mood["ccc_arousal"]) / 2 - min(
            apart["frechet"], 2.0
        )
        selection_score -= FLAW * len(flags)
        figures = {
            "selection_score": selection_score,
            **mood,
            **apart,
            "variety": variety,
            "corners": corners,
            "copies": copies,
            "flags": float(len(flags)),
        }
        return figures | self._monotone(paint, latent), flags

    def _corner_distance(self, paint: Paint, latent: int) -> float:
        codes = normals(FEWEST, latent, 5)
        seen = [_small(paint(codes, torch.tensor([at]).expand(FEWEST, 2))) for at in CORNERS]
        pairs = [(0, 3), (1, 2), (0, 1), (2, 3), (0, 2), (1, 3)]
        return float(np.mean([(seen[i] - seen[j]).abs().mean().item() for i, j in pairs]))

    def _monotone(self, paint: Paint, latent: int) -> dict[str, float]:
        """Rank correlations within a scene: what its colours do as one value rises.

        jump: the largest step of a path beside its mean step; 1 is a path of even steps.
        """
        scenes, steps = self.effort.sweeps, self.effort.steps
        ticks = torch.linspace(0.1, 0.9, steps)
        codes = normals(scenes, latent, 6).repeat_interleave(steps, 0)
        found: dict[str, float] = {}
        for axis, names in SHOWN_BY.items():
            places = torch.full((scenes * steps, 2), 0.5)
            places[:, 0 if axis == "v" else 1] = ticks.repeat(scenes)
            pictures = paint(codes, places)
            found[f"{axis}_jump"] = _jump(_flat(pictures).unflatten(0, (scenes, steps)))
            told = colours(pictures).unflatten(0, (scenes, steps)).numpy()
            for name, column in names.items():
                rhos = [spearman(ticks.numpy(), row[:, column]) for row in told]
                found[f"{axis}_{name}"] = float(np.mean(rhos))
        return found


def normals(count: int, width: int, seed: int) -> Tensor:
    """Standard normal codes (count, width) that a seed always gives."""
    random = np.random.default_rng([71, seed])
    return torch.from_numpy(random.standard_normal((count, width), dtype=np.float32))


def agreement(places: Tensor, told: Tensor) -> dict[str, float]:
    """Lin's concordance and mean absolute error of valence and arousal, (n, 2) each."""
    found: dict[str, float] = {}
    for at, name in enumerate(("valence", "arousal")):
        truth, said = places[:, at].numpy(), told[:, at].numpy()
        found[f"ccc_{name}"] = concordance(truth, said)
        found[f"mae_{name}"] = float(np.abs(said - truth).mean())
    return found


def _distances(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    return {"kernel": kernel(one, other), "frechet": frechet(one, other) / one.shape[1]}


def _follows(real: Tensor, places: Tensor) -> dict[str, float]:
    told = colours(real).numpy()
    return {
        f"{axis}_{name}": spearman(places[:, at].numpy(), told[:, column])
        for at, (axis, names) in enumerate(SHOWN_BY.items())
        for name, column in names.items()
    }


def _spread_over(scapes: Landscapes, most: int) -> range:
    """At most so many rows, evenly over all: neighbours in a folder are often alike."""
    step = -(-len(scapes) // most)
    return range(0, len(scapes), step)


def _parts(scapes: Landscapes, most: int, together: int = 500) -> list[range]:
    rows = _spread_over(scapes, most)
    return [rows[at : at + together] for at in range(0, len(rows), together)]


def _small(pictures: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(pictures.float(), SMALL)


def _flat(pictures: Tensor) -> Tensor:
    return _small(pictures).flatten(1)


def _nearest(one: Tensor, others: Tensor) -> Tensor:
    """Mean absolute difference (n,) of each of (n, d) to the nearest of (m, d)."""
    return torch.cdist(one, others, p=1).amin(dim=1) / one.shape[1]


def _jump(paths: Tensor) -> float:
    """Largest step over mean step along paths (n, steps, d), the mean over the paths."""
    steps = paths.diff(dim=1).abs().mean(dim=2)
    return float((steps.amax(dim=1) / steps.mean(dim=1).clamp_min(1e-6)).mean())


def _mean_distance(pictures: Tensor) -> float:
    """Mean absolute difference of all pairs of pictures, at 16 px."""
    flat = _flat(pictures)
    return float(F.pdist(flat, p=1).mean() / flat.shape[1])


def _variety(real: Tensor, places: Tensor) -> tuple[float, float]:
    """Mean distance of neighbours in the plane, and of pictures from different corners."""
    flat = _flat(real)
    apart = torch.cdist(flat, flat, p=1) / flat.shape[1]
    away = torch.cdist(places, places)
    upper = torch.ones_like(away, dtype=torch.bool).triu(1)
    ordered = away[upper].sort().values
    # The nearest tenth of all pairs counts as one place: few photos share one exactly.
    low, high = (float(ordered[int(share * (len(ordered) - 1))]) for share in (0.1, 0.9))
    near, far = upper & (away <= low), upper & (away >= high)
    return float(apart[near].mean()), float(apart[far].mean())
