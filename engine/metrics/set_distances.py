"""Distances between sets of pictures: Frechet and kernel, on the features of a named network.

Only Inception's 2015 weights make it FID and KID (Heusel et al. 2017, eq. 6; Binkowski et al. 2018,
eq. 3); on any other network it is "FD-<network>". Both depend on the number of pictures, so each
is reported beside its floor: the same distance between random halves of as many real pictures.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.metrics.distributions import Features, frechet, kernel

INCEPTION = "Inception 2015"
"""The network that FID and KID are defined on."""
MIN_PICTURES = 4
HALVES, HALVED = 20, 4000
"""Number of random halves for the floor, and the most rows in all of them."""


MEASURES = frechet, kernel


@dataclass(frozen=True, slots=True, eq=False)
class RealSet:
    """Features (m, d) of real pictures, sorted by age, and whose features they are."""

    features: Features
    extractor: str
    of: str
    """The kind of pictures: `truth`, `photos`."""
    floors: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    """By the number of pictures per half, computed once."""

    @property
    def names(self) -> tuple[str, str]:
        """The names of the two distances."""
        if self.extractor == INCEPTION:
            return "FID", "KID"
        return f"FD-{self.extractor}", f"KD-{self.extractor}"


def set_distances(generated: Features, real: RealSet) -> dict[str, Any]:
    """Both distances of portraits (n, d) to as many real pictures, beside their floors.

    The floor is the distance of as many real pictures to as many others: its mean over draws, and
    their 95 % interval. A distance within it is sampling noise.
    """
    count = min(len(generated), len(real.features) // 2)
    if count < MIN_PICTURES:
        reason = f"{len(generated)} portraits and {len(real.features)} real pictures are too few"
        return {"n": count, "against": real.of, "why_null": reason}
    spread = np.linspace(0, len(real.features) - 1, count).round().astype(int)
    chosen = generated[np.linspace(0, len(generated) - 1, count).round().astype(int)]
    if count not in real.floors:
        real.floors[count] = _floors(real, count)
    result: dict[str, Any] = {"n": count, "against": real.of, "features": real.extractor}
    for name, measure in zip(real.names, MEASURES, strict=True):
        result[name] = measure(real.features[spread], chosen)
    return result | real.floors[count]


def _floors(real: RealSet, count: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    halves = list(_halves(real.features, count))
    for name, measure in zip(real.names, MEASURES, strict=True):
        distances = [measure(one, other) for one, other in halves]
        result[f"{name}_floor"] = float(np.mean(distances))
        result[f"{name}_floor_interval"] = np.quantile(distances, [0.025, 0.975]).tolist()
    return result


def _halves(rows: Features, count: int) -> Iterator[tuple[Features, Features]]:
    """Pairs of disjoint random subsets of `count` rows each."""
    rng = np.random.default_rng(0)
    for _ in range(max(1, min(HALVES, HALVED // count))):
        order = rng.permutation(len(rows))
        yield rows[order[:count]], rows[order[count : 2 * count]]
