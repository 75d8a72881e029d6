"""How far two sets of feature vectors lie apart: kernel and Fréchet distances."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.metrics.ranks import mid_ranks, values

Matrix = NDArray[np.float64]


def kernel_distance(
    one: ArrayLike, other: ArrayLike, *, subsets: int = 50, size: int = 500, seed: int = 0
) -> float:
    """Unbiased squared MMD of rows (n, d) with the kernel (x.y / d + 1)³: KID (Binkowski 2018).

    The mean over `subsets` draws of `size` rows; it may fall below 0 for sets of one origin.
    """
    a, b = _matrix(one), _matrix(other)
    count = min(size, len(a), len(b))
    if count < 2:
        raise ValueError("a kernel distance needs two rows of each")
    random = np.random.default_rng(seed)
    told: list[float] = []
    for _ in range(subsets if count < max(len(a), len(b)) else 1):
        x = a[random.choice(len(a), count, replace=False)]
        y = b[random.choice(len(b), count, replace=False)]
        inner = (_kernel(x, x), _kernel(y, y))
        same = sum((k.sum() - np.trace(k)) / (count * (count - 1)) for k in inner)
        told.append(float(same - 2 * _kernel(x, y).mean()))
    return float(np.mean(told))


def frechet_distance(one: ArrayLike, other: ArrayLike) -> float:
    """Fréchet distance of Gaussians fitted to rows (n, d) (Heusel et al. 2017, equation 6)."""
    a, b = _matrix(one), _matrix(other)
    first, second = (np.cov(rows, rowvar=False) for rows in (a, b))
    # The trace of the root of a product, by symmetric roots only.
    level, base = np.linalg.eigh(first)
    root = (base * np.sqrt(np.maximum(level, 0))) @ base.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    apart = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    return float(max(apart + np.trace(first) + np.trace(second) - 2 * shared, 0.0))


def standardised(reference: ArrayLike, *others: ArrayLike) -> tuple[Matrix, ...]:
    """All sets in units of the reference's own spread, feature by feature."""
    first = _matrix(reference)
    mean, spread = first.mean(axis=0), np.maximum(first.std(axis=0), 1e-6)
    return tuple((_matrix(rows) - mean) / spread for rows in (first, *others))


def concordance(truth: ArrayLike, told: ArrayLike) -> float:
    """Lin's concordance correlation of (n,) values: 1 only for the very same values."""
    x, y = values(truth, "truth"), values(told, "told")
    shared = ((x - x.mean()) * (y - y.mean())).mean()
    below = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    return float(2 * shared / below) if below > 0 else 0.0


def rank_correlation(one: ArrayLike, other: ArrayLike) -> float:
    """Spearman's rank correlation of (n,) values; 0 where one of them does not move."""
    x, y = mid_ranks(values(one, "one")), mid_ranks(values(other, "other"))
    if x.std() == 0 or y.std() == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def _matrix(rows: ArrayLike) -> Matrix:
    found = np.asarray(rows, np.float64)
    if found.ndim != 2 or not np.isfinite(found).all():
        raise ValueError("expected finite rows (n, d)")
    return found


def _kernel(x: Matrix, y: Matrix) -> Matrix:
    return (x @ y.T / x.shape[1] + 1) ** 3
