"""What a generator of landscapes is worth: mood, distribution, variety, and red flags."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.metrics.age import spearman
from engine.metrics.distributions import concordance, frechet, kernel, standardised
from engine.metrics.mood_ridge import Judge, MoodRidge
from engine.metrics.scape_features import colours, statistics
from engine.metrics.scape_flags import FEWEST, Limits
from engine.training.tasks.landscape_data import Data, normals

Paint = Callable[[Tensor, Tensor], Tensor]
"""Codes (n, latent) and places (n, 2) to pictures (n, 3, s, s) on the CPU."""
EXAMINED, STANDARD = 512, 400
FLAGGED = 64
SWEEPS, STEPS = 12, 5
SMALL = 16
COLLAPSED, DEAF = 0.5, 0.25
"""Shares of the real variety below which codes, or places, no longer matter."""
SHOWN_BY = {"v": {"luma": 0, "chroma": 1, "warmth": 2}, "a": {"contrast": 5, "edges": 6}}
"""Columns of `colours` that valence and arousal move in the landscape world."""
CORNERS = ((0.1, 0.1), (0.1, 0.9), (0.9, 0.1), (0.9, 0.9))


@dataclass(frozen=True, slots=True, eq=False)
class ScapeExam:
    """Held-out landscapes, measured once; every generator is compared with them."""

    real: np.ndarray
    """Features (n, d)."""
    places: Tensor
    floor: float
    """Kernel distance of two halves of the real ones."""
    judge: Judge
    ceiling: tuple[float, float]
    """Concordance of the judge on the real ones: valence, arousal."""
    limits: Limits
    variety: float
    """Mean distance of real pictures of nearly one place."""
    corners: float
    """Mean distance of real pictures of opposite corners."""

    @classmethod
    def of(cls, data: Data, judge: Judge | None) -> "ScapeExam":
        """Measure the landscapes; without a judge a ridge is fitted to those learned from."""
        step = max(len(data.learn) // STANDARD, 1)
        rows = range(0, len(data.learn), step)
        known = data.learn.tensor(rows)
        if judge is None:
            judge = MoodRidge.fitted(known, data.learn.place(rows))
        held = range(min(len(data.check), EXAMINED))
        real, places = data.check.tensor(held), data.check.place(held)
        told = judge(real)
        features = statistics(real).numpy()
        first, second = standardised(features, features[::2], features[1::2])[1:]
        apart = _distances(real, places)
        return cls(
            real=features,
            places=places,
            floor=max(kernel(first, second), 0.0),
            judge=judge,
            ceiling=_concordances(places, told),
            limits=Limits.of(known),
            variety=apart[0],
            corners=apart[1],
        )

    @torch.no_grad()
    def figures(self, paint: Paint, latent: int) -> tuple[dict[str, float], dict[str, float]]:
        """Figures of a generator, and its red flags with what raised them."""
        codes = normals(len(self.places), latent, 3)
        painted = paint(codes, self.places)
        told = self.judge(painted)
        valence, arousal = _concordances(self.places, told)
        off = (told - self.places).abs().mean(dim=0)
        real, made = standardised(self.real, statistics(painted).numpy())
        apart = frechet(real, made) / real.shape[1]
        same = normals(FEWEST, latent, 4)
        mates = paint(same, torch.full((FEWEST, 2), 0.5))
        spread = _mean_distance(mates)
        corner = self._corner_distance(paint, latent)
        flags = self.limits.raised(painted[:FLAGGED]) if len(painted) >= FEWEST else {}
        if spread < COLLAPSED * self.variety:
            flags["collapse"] = spread / self.variety
        if corner < DEAF * self.corners:
            flags["deaf"] = corner / self.corners
        figures = {
            "merit": (valence + arousal) / 2 - min(apart, 2.0),
            "ccc_valence": valence,
            "ccc_arousal": arousal,
            "mae_valence": float(off[0]),
            "mae_arousal": float(off[1]),
            "kernel": kernel(real, made),
            "frechet": apart,
            "variety": spread / self.variety,
            "corners": corner / self.corners,
            "flags": float(len(flags)),
        }
        return figures | self._monotone(paint, latent), flags

    def _corner_distance(self, paint: Paint, latent: int) -> float:
        codes = normals(FEWEST, latent, 5)
        seen = [_small(paint(codes, torch.tensor([at]).expand(FEWEST, 2))) for at in CORNERS]
        pairs = [(0, 3), (1, 2), (0, 1), (2, 3), (0, 2), (1, 3)]
        return float(np.mean([(seen[i] - seen[j]).abs().mean().item() for i, j in pairs]))

    def _monotone(self, paint: Paint, latent: int) -> dict[str, float]:
        """Rank correlations within a scene: what its colours do as one value rises."""
        ticks = torch.linspace(0.1, 0.9, STEPS)
        codes = normals(SWEEPS, latent, 6).repeat_interleave(STEPS, 0)
        found: dict[str, float] = {}
        for axis, names in SHOWN_BY.items():
            places = torch.full((SWEEPS * STEPS, 2), 0.5)
            places[:, 0 if axis == "v" else 1] = ticks.repeat(SWEEPS)
            told = colours(paint(codes, places)).unflatten(0, (SWEEPS, STEPS)).numpy()
            for name, column in names.items():
                rhos = [spearman(ticks.numpy(), row[:, column]) for row in told]
                found[f"{axis}_{name}"] = float(np.mean(rhos))
        return found


def _concordances(places: Tensor, told: Tensor) -> tuple[float, float]:
    first, second = (concordance(places[:, i].numpy(), told[:, i].numpy()) for i in (0, 1))
    return first, second


def _small(pictures: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(pictures.float(), SMALL)


def _mean_distance(pictures: Tensor) -> float:
    """Mean absolute difference of all pairs of pictures, at 16 px."""
    flat = _small(pictures).flatten(1)
    return float(F.pdist(flat, p=1).mean() / flat.shape[1])


def _distances(real: Tensor, places: Tensor) -> tuple[float, float]:
    """Mean distance of neighbours in the plane, and of pictures from different corners."""
    flat = _small(real).flatten(1)
    apart = torch.cdist(flat, flat, p=1) / flat.shape[1]
    away = torch.cdist(places, places)
    upper = torch.ones_like(away, dtype=torch.bool).triu(1)
    # The nearest tenth of all pairs counts as one place: few photos share one exactly.
    near = upper & (away <= away[upper].quantile(0.1))
    far = upper & (away >= away[upper].quantile(0.9))
    return float(apart[near].mean()), float(apart[far].mean())
