"""Distances between sets of pictures: Frechet and kernel, on the features of a named network.

Only Inception's 2015 weights make it FID and KID (Heusel et al. 2017, eq. 6; Binkowski et al. 2018,
eq. 3); on any other network it is "FD-<network>". Both depend on how many pictures there are, so
each goes with the same measured between as many real ones, halved at random again and again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Features = NDArray[np.float64]
INCEPTION = "Inception 2015"
"""The network that FID and KID are defined on."""
FEWEST = 4
SUBSETS, LARGEST_SUBSET = 100, 1000
HALVES, HALVED = 20, 4000
"""Times that the real pictures are halved for the floor, fewer where that makes 4000 rows."""


class _Rows(nn.Module):
    """Stands in for a network where its features are known already."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet(one: Features, other: Features) -> float:
    """Frechet distance of Gaussians fitted to (n, d) and (m, d), in float64; at least 0."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    one, other = _within_span(one, other)
    metric = FrechetInceptionDistance(feature=_Rows(one.shape[1])).set_dtype(torch.float64)
    metric.update(torch.from_numpy(one), real=True)
    metric.update(torch.from_numpy(other), real=False)
    return max(float(metric.compute()), 0.0)


def kernel(one: Features, other: Features, *, size: int | None = None, seed: int = 0) -> float:
    """Kernel distance (the square of MMD, cubic kernel): its unbiased estimate, so it may be < 0.

    The mean over 100 subsets of `size` rows of each; if absent all of the smaller set, or 1000.
    """
    import warnings

    from torchmetrics.image.kid import KernelInceptionDistance

    size = min(len(one), len(other), LARGEST_SUBSET) if size is None else size
    # Subsets of everything are all the same one.
    subsets = 1 if size == len(one) == len(other) else SUBSETS
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        # That it keeps all features is told at every call, and meant here.
        warnings.filterwarnings("ignore", message=".*will save all extracted features.*")
        torch.manual_seed(seed)
        metric = KernelInceptionDistance(
            feature=_Rows(one.shape[1]), subsets=subsets, subset_size=size
        )
        metric.update(torch.from_numpy(one), real=True)
        metric.update(torch.from_numpy(other), real=False)
        mean, _ = metric.compute()
    return float(mean)


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


def _within_span(one: Features, other: Features) -> tuple[Features, Features]:
    """Both sets in coordinates of the space they span, which is as far apart and seldom as wide.

    Few pictures on the 2048 features of Inception would else cost roots of 2048 x 2048 matrices.
    """
    rows = np.concatenate([one, other])
    rows = rows - rows.mean(axis=0)
    if len(rows) >= rows.shape[1]:
        return one, other
    basis = np.linalg.qr(rows.T)[0]
    flat = rows @ basis
    return flat[: len(one)], flat[len(one) :]
