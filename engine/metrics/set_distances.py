"""Distances between sets of pictures: Frechet and kernel, on the features of a named network.

Only Inception's 2015 weights make it FID and KID (Heusel et al. 2017, eq. 6; Binkowski et al. 2018,
eq. 3); on any other network it is "FD-<network>". Both depend on how many pictures there are, so
each goes with the same measured between as many real ones, halved at random again and again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.metrics.distributions import Features, frechet, kernel

INCEPTION = "Inception 2015"
"""The network that FID and KID are defined on."""
FEWEST = 4
HALVES, HALVED = 20, 4000
"""Times that the real pictures are halved for the floor, fewer where that makes 4000 rows."""


MEASURES = frechet, kernel


@dataclass(frozen=True, slots=True, eq=False)
class RealSet:
    """Features (m, d) of real pictures, sorted by age, and whose features they are."""

    features: Features
    extractor: str
    of: str
    """What the pictures are: `truth`, `photos`."""
    floors: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    """By how many pictures a side, measured once."""

    @property
    def names(self) -> tuple[str, str]:
        """What the two distances are called."""
        if self.extractor == INCEPTION:
            return "FID", "KID"
        return f"FD-{self.extractor}", f"KD-{self.extractor}"


def set_distances(made: Features, real: RealSet) -> dict[str, Any]:
    """Both distances of portraits (n, d) to as many real pictures, beside their floors.

    The floor is the distance of as many real pictures to as many others: its mean over draws, and
    the interval that holds 95 % of them. A distance within it is nothing but the draw.
    """
    count = min(len(made), len(real.features) // 2)
    if count < FEWEST:
        enough = f"{len(made)} portraits and {len(real.features)} real pictures are too few"
        return {"n": count, "against": real.of, "why_null": enough}
    spread = np.linspace(0, len(real.features) - 1, count).round().astype(int)
    chosen = made[np.linspace(0, len(made) - 1, count).round().astype(int)]
    if count not in real.floors:
        real.floors[count] = _floors(real, count)
    told: dict[str, Any] = {"n": count, "against": real.of, "features": real.extractor}
    for name, measure in zip(real.names, MEASURES, strict=True):
        told[name] = measure(real.features[spread], chosen)
    return told | real.floors[count]


def _floors(real: RealSet, count: int) -> dict[str, Any]:
    told: dict[str, Any] = {}
    halves = list(_halves(real.features, count))
    for name, measure in zip(real.names, MEASURES, strict=True):
        found = [measure(one, other) for one, other in halves]
        told[f"{name}_floor"] = float(np.mean(found))
        told[f"{name}_floor_interval"] = np.quantile(found, [0.025, 0.975]).tolist()
    return told


def _halves(rows: Features, count: int) -> Iterator[tuple[Features, Features]]:
    """Twice `count` of the rows without any of them twice, drawn again and again."""
    rng = np.random.default_rng(0)
    for _ in range(max(1, min(HALVES, HALVED // count))):
        order = rng.permutation(len(rows))
        yield rows[order[:count]], rows[order[count : 2 * count]]
