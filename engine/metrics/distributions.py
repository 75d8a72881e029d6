"""Frechet and kernel distances of feature sets, and concordance of values.

Only on Inception's 2015 features are they FID and KID (Heusel et al. 2017, eq. 6; Binkowski et al.
2018, eq. 3). Both depend on how many rows there are.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from engine.metrics.vectors import values

Features = NDArray[np.float64]
SUBSETS, LARGEST_SUBSET = 100, 1000


class _Rows(nn.Module):
    """The identity, as the network of metrics whose inputs are features already."""

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
    """Kernel distance (squared MMD, cubic kernel), the unbiased estimate, which may be < 0.

    The mean over 100 subsets of `size` rows of each; by default all of the smaller set, or 1000.
    """
    import warnings

    from torchmetrics.image.kid import KernelInceptionDistance

    size = min(len(one), len(other), LARGEST_SUBSET) if size is None else size
    # Subsets of all rows are equal.
    subsets = 1 if size == len(one) == len(other) else SUBSETS
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        # torchmetrics warns at every call that it keeps all features.
        warnings.filterwarnings("ignore", message=".*will save all extracted features.*")
        torch.manual_seed(seed)
        metric = KernelInceptionDistance(
            feature=_Rows(one.shape[1]), subsets=subsets, subset_size=size
        )
        metric.update(torch.from_numpy(one), real=True)
        metric.update(torch.from_numpy(other), real=False)
        mean, _ = metric.compute()
    return float(mean)


def standardised(reference: ArrayLike, *others: ArrayLike) -> tuple[Features, ...]:
    """All sets, standardised by mean and deviation of the reference, feature by feature."""
    first = np.asarray(reference, np.float64)
    mean, spread = first.mean(axis=0), np.maximum(first.std(axis=0), 1e-6)
    return tuple((np.asarray(rows, np.float64) - mean) / spread for rows in (first, *others))


def concordance(truth: ArrayLike, estimate: ArrayLike) -> float:
    """Lin's concordance correlation of (n,) values, with population variances; 0 if both constant.

    torchmetrics mixes sample and population variances: it differs by up to 2e-4 for 50 values.
    """
    x, y = values(truth, "truth"), values(estimate, "estimates")
    shared = ((x - x.mean()) * (y - y.mean())).mean()
    below = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    return float(2 * shared / below) if below > 0 else 0.0


def _within_span(one: Features, other: Features) -> tuple[Features, Features]:
    """Both sets in an orthonormal basis of the space they span, where that is smaller.

    It saves matrix roots of 2048 x 2048 for a few pictures on the features of Inception.
    """
    rows = np.concatenate([one, other])
    rows = rows - rows.mean(axis=0)
    if len(rows) >= rows.shape[1]:
        return one, other
    basis = np.linalg.qr(rows.T)[0]
    flat = rows @ basis
    return flat[: len(one)], flat[len(one) :]
