"""Confidence intervals by the percentile bootstrap, resampled over people: the only place of it.

Errors of one person's pictures are not independent, so that what is drawn anew are people, and then
photographs of each person drawn. Drawing in both stages makes the interval a little too wide rather
than too narrow (Davison and Hinkley 1997, section 3.8).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.metrics.vectors import values

CONFIDENCE, RESAMPLES = 0.95, 2000
CHUNK = 2_000_000
"""Draws held in memory at once."""
Rows = NDArray[np.int64]


class Interval(NamedTuple):
    """A mean, or another figure in its place, and its confidence interval."""

    mean: float
    low: float
    high: float


def mean_interval(
    numbers: ArrayLike,
    *,
    groups: ArrayLike,
    within: ArrayLike | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Bootstrap the mean of (n,) numbers; the same seed gives the same interval.

    groups: (n,) labels of what is resampled, such as the person of each picture; within: (n,)
    labels of what is resampled in each group drawn, such as the photograph that was aged. Without
    it a group is drawn as a whole.
    """
    row = values(numbers, "numbers")
    return ratio_interval(
        row, np.ones_like(row), groups=groups, within=within,
        confidence=confidence, resamples=resamples, seed=seed,
    )  # fmt: skip


def ratio_interval(
    above: ArrayLike,
    below: ArrayLike,
    *,
    groups: ArrayLike,
    within: ArrayLike | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Bootstrap sum(above) / sum(below) of (n,) numbers, as slopes and shares of errors are.

    groups, within: as of `mean_interval`. The ratio stands for the mean.
    """
    columns = np.stack([values(above, "above"), values(below, "below")])
    person = _labels(groups, columns.shape[1])
    random = np.random.default_rng(seed)
    if within is None:
        drawn = _drawn_whole(_sums(columns, person), resamples, random)
    else:
        drawn = _drawn_within(columns, person, _labels(within, len(person)), resamples, random)
    over, under = columns.sum(axis=1)
    return _interval(float(over / under), drawn[0] / drawn[1], confidence)


def figure_interval(
    figure: Callable[[Rows], float],
    *,
    groups: ArrayLike,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Bootstrap any figure of rows, such as a correlation.

    figure: computes it of row indices (m,), some of which occur several times; groups: (n,) labels
    of the rows, drawn as a whole. The figure stands for the mean.
    """
    labels = np.asarray(groups).ravel()
    if not labels.size:
        raise ValueError("groups: there is nothing to measure")
    person = _labels(labels, labels.size)
    order, sizes = np.argsort(person, kind="stable").astype(np.int64), np.bincount(person)
    members = np.split(order, np.cumsum(sizes)[:-1])
    random, count = np.random.default_rng(seed), len(sizes)

    def rows() -> Rows:
        groups_drawn = random.integers(0, count, count)
        if count == len(order):
            return order[groups_drawn]
        return np.concatenate([members[one] for one in groups_drawn])

    drawn = [figure(rows()) for _ in range(resamples)]
    return _interval(figure(np.arange(labels.size)), np.array(drawn), confidence)


def _interval(figure: float, drawn: NDArray[np.float64], confidence: float) -> Interval:
    edges = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(drawn, edges).tolist()
    return Interval(figure, low, high)


def _labels(labels: ArrayLike, count: int) -> Rows:
    """Labels (n,) as numbers from 0 on; ValueError if there are not `count`."""
    given = np.asarray(labels).ravel()
    if given.size != count:
        raise ValueError(f"{count} numbers and {given.size} groups")
    return np.unique(given, return_inverse=True)[1]


def _sums(columns: NDArray[np.float64], member: Rows) -> NDArray[np.float64]:
    """Sums (k, g) of columns (k, n) over the rows of each group."""
    rows = [np.bincount(member, column) for column in columns]
    return np.stack(rows).astype(np.float64)


def _drawn_whole(
    sums: NDArray[np.float64], resamples: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Sums (k, resamples) over as many groups as there are, drawn with replacement."""
    count = sums.shape[1]
    return sums[:, random.integers(0, count, (resamples, count))].sum(axis=2)


def _drawn_within(
    columns: NDArray[np.float64],
    person: Rows,
    unit: Rows,
    resamples: int,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """Sums (k, resamples) over drawn groups, of each of which as many units as it has are drawn."""
    pairs, member = np.unique(np.stack([person, unit]), axis=1, return_inverse=True)
    sums, counts = _sums(columns, member.ravel()), np.bincount(pairs[0])
    first, most = np.cumsum(counts) - counts, int(counts.max())
    chunk = max(1, CHUNK // (len(counts) * most))
    parts: list[NDArray[np.float64]] = []
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        people = random.integers(0, len(counts), (size, len(counts)))
        many = counts[people][..., None]
        places = first[people][..., None] + (random.random((*people.shape, most)) * many).astype(
            int
        )
        counted = np.arange(most) < many
        parts.append((sums[:, np.where(counted, places, 0)] * counted).sum(axis=(2, 3)))
    return np.concatenate(parts, axis=1)
