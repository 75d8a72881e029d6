"""Distances between sets of pictures: Frechet and kernel, on the features of a named network.

Only Inception's 2015 weights make it FID and KID (Heusel et al. 2017, eq. 6; Binkowski et al. 2018,
eq. 3); on any other network it is "FD-<network>". Both depend on how many pictures there are, so
each goes with the same measured between as many real ones.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Features = NDArray[np.float64]
FEWEST = 4
SUBSETS = 100


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

    metric = FrechetInceptionDistance(feature=_Rows(one.shape[1])).set_dtype(torch.float64)
    metric.update(torch.from_numpy(one), real=True)
    metric.update(torch.from_numpy(other), real=False)
    return max(float(metric.compute()), 0.0)


def kernel(one: Features, other: Features, *, size: int | None = None, seed: int = 0) -> float:
    """Kernel distance (the square of MMD, cubic kernel): its unbiased estimate, so it may be < 0.

    The mean over 100 subsets of `size` rows of each, all of the smaller set if absent.
    """
    import warnings

    from torchmetrics.image.kid import KernelInceptionDistance

    size = min(len(one), len(other)) if size is None else size
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        # That it keeps all features is told at every call, and meant here.
        warnings.filterwarnings("ignore", message=".*will save all extracted features.*")
        torch.manual_seed(seed)
        metric = KernelInceptionDistance(
            feature=_Rows(one.shape[1]), subsets=SUBSETS, subset_size=size
        )
        metric.update(torch.from_numpy(one), real=True)
        metric.update(torch.from_numpy(other), real=False)
        mean, _ = metric.compute()
    return float(mean)


@dataclass(frozen=True, slots=True, eq=False)
class RealSet:
    """Features (m, d) of real pictures, sorted by age, and whose features they are."""

    features: Features
    extractor: str
    of: str
    """What the pictures are: `truth`, `photos`."""

    @property
    def names(self) -> tuple[str, str]:
        """What the two distances are called."""
        return f"FD-{self.extractor}", f"KD-{self.extractor}"


def set_distances(made: Features, real: RealSet) -> dict[str, Any]:
    """Both distances of portraits (n, d) to as many real pictures, beside their floors.

    The floor is the distance of one half of the real pictures to the other.
    """
    count = min(len(made), len(real.features) // 2)
    if count < FEWEST:
        enough = f"{len(made)} portraits and {len(real.features)} real pictures are too few"
        return {"n": count, "against": real.of, "why_null": enough}
    one, other = real.features[0::2][:count], real.features[1::2][:count]
    chosen = made[np.linspace(0, len(made) - 1, count).round().astype(int)]
    fd, kd = real.names
    return {
        "n": count,
        "against": real.of,
        fd: frechet(one, chosen),
        f"{fd}_floor": frechet(one, other),
        kd: kernel(one, chosen),
        f"{kd}_floor": kernel(one, other),
    }
