"""Steady points: short losses filled, then a smooth path through what was fitted, both ways.

A quadratic is fitted to the frames about each one, weighted by a Gaussian of their distance in
seconds (Savitzky and Golay 1964; Cleveland 1979). Unlike a mean it does not cut off the ends of a
nod, and unlike a filter that knows the past alone it is never late.
"""

import numpy as np
from numpy.typing import NDArray

SPREAD = 0.09
"""Sigma in seconds of the frames that a point is fitted to."""
REACH = 3.0
"""Sigmas up to which frames count."""

Floats = NDArray[np.float64]


def steady(points: Floats, seconds: Floats, groups: NDArray[np.integer], gap: float) -> Floats:
    """Points (n, k, 2), NaN where there are none, made steady within groups of frames (n,).

    seconds: of each frame; gap: seconds without a point over which its path is drawn straight;
    longer losses stay NaN, and so does what lies before the first point and behind the last.
    """
    result = np.full_like(points, np.nan)
    for group in np.unique(groups):
        where = np.flatnonzero(groups == group)
        seen = where[np.isfinite(points[where, 0, 0])]
        if not len(seen):
            continue
        breaks = np.flatnonzero(np.diff(seconds[seen]) > gap) + 1
        for run in np.split(seen, breaks):
            inside = np.arange(run[0], run[-1] + 1)
            result[inside] = _smooth(_filled(points, run, inside, seconds), seconds[inside])
    return result


def _filled(
    points: Floats, run: NDArray[np.integer], inside: NDArray[np.integer], seconds: Floats
) -> Floats:
    """Points of all frames of a run (m, k, 2), straight between those that were seen."""
    flat = points[run].reshape(len(run), -1)
    columns = [np.interp(seconds[inside], seconds[run], column) for column in flat.T]
    return np.stack(columns, axis=1).reshape(len(inside), *points.shape[1:])


def _smooth(points: Floats, seconds: Floats) -> Floats:
    """A quadratic about each frame of a run, by weighted least squares."""
    flat, result = points.reshape(len(points), -1), np.empty((len(points), points[0].size))
    for at, time in enumerate(seconds):
        low, high = np.searchsorted(seconds, [time - REACH * SPREAD, time + REACH * SPREAD])
        apart = (seconds[low:high] - time) / SPREAD
        # Few frames leave no quadratic to fit: at the ends of a run, and at a low rate.
        degree = min(2, (high - low - 1) // 2)
        weights = np.exp(-(apart**2) / 4)  # the root of the Gaussian, for least squares
        design = apart[:, None] ** np.arange(degree + 1) * weights[:, None]
        fitted, *_ = np.linalg.lstsq(design, flat[low:high] * weights[:, None], rcond=None)
        result[at] = fitted[0]
    return result.reshape(points.shape)


def kernel(seconds: Floats, at: float, spread: float) -> Floats:
    """Gaussian weights (n,) of frames by their distance from `at`, adding up to 1."""
    weights = np.exp(-0.5 * ((seconds - at) / spread) ** 2)
    return weights / weights.sum()
