"""Impostors among the photos of one person, by identity descriptors alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Fewer faces cannot outvote an impostor.
FEWEST = 5
# dlib's threshold between people is 0.6 for two photos; the centre of a person lies nearer to each
# of their photos than the photos to one another, so an impostor stands out from 0.5 on.
NEAREST_IMPOSTOR = 0.5
SPREADS = 4.0
# Turns a median absolute deviation into a standard deviation, for normal data.
TO_SIGMA = 1.4826
CANDIDATES, AT_ONCE = 1000, 16


@dataclass(frozen=True, slots=True, eq=False)
class ImpostorDistances:
    """Distances (n,) to the person's centre, the limit, and whether each exceeds it."""

    distances: NDArray[np.float32]
    limit: float
    flags: NDArray[np.bool_]


def find_impostors(descriptors: NDArray[np.float32]) -> ImpostorDistances:
    """Flag descriptors (n, 128) further from the centre than 0.5 and median + 4 sigma.

    The centre is the mean of the half nearest to the medoid; sigma comes from the median absolute
    deviation. At least half are within the median, so never more than half are flagged.
    """
    count = len(descriptors)
    if count < FEWEST:
        return ImpostorDistances(
            np.zeros(count, np.float32), float("inf"), np.zeros(count, np.bool_)
        )
    near_medoid = _to_centre(descriptors, descriptors[_medoid(descriptors)])
    core = descriptors[near_medoid <= np.median(near_medoid)]
    to_centre = _to_centre(descriptors, core.mean(axis=0))
    middle = float(np.median(to_centre))
    sigma = TO_SIGMA * float(np.median(np.abs(to_centre - middle)))
    limit = max(NEAREST_IMPOSTOR, middle + SPREADS * sigma)
    return ImpostorDistances(to_centre, limit, to_centre > limit)


def _medoid(descriptors: NDArray[np.float32]) -> int:
    """Return the index whose median distance to all is least, among evenly spread candidates."""
    tried = np.unique(np.linspace(0, len(descriptors) - 1, CANDIDATES).astype(np.int64))
    norms = (descriptors**2).sum(axis=1)
    medians: list[float] = []
    for at in range(0, len(tried), AT_ONCE):
        some = tried[at : at + AT_ONCE]
        squares = norms[some, None] + norms[None, :] - 2 * descriptors[some] @ descriptors.T
        medians += np.median(squares, axis=1).tolist()
    return int(tried[int(np.argmin(medians))])


def _to_centre(
    descriptors: NDArray[np.float32], centre: NDArray[np.float32]
) -> NDArray[np.float32]:
    return np.linalg.norm(descriptors - centre, axis=1).astype(np.float32)
