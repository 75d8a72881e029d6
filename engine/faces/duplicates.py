"""Near-duplicates by perceptual hash and by descriptor, the best of each group kept.

Groups are stars, not chains: every duplicate lies within the limit of the picture kept for it.
Few pictures are all compared, in blocks of bounded memory; of many, those of similar hash.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.faces.near_hashes import near_pairs
from engine.faces.quality import Scores
from engine.faces.rotation import Pixels

HASH_LIMIT = 4
# Recompressing, halving or cropping a photo moves its descriptor by 0.02-0.19, and so may a
# second photo of the same sitting; its hash moves by 0-10 bits, by 7 or more for a second photo.
DESCRIPTOR_LIMIT, SIMILAR_HASH_LIMIT = 0.2, 8
# Comparisons held at once: 8 M float32 are 32 MB.
BLOCK = 8_000_000
# From so many pictures on, looking similar hashes up is faster than comparing all.
MANY = 4_000

Indices = NDArray[np.int64]
Hashes = NDArray[np.uint64]


def dhash(pixels: Pixels) -> np.uint64:
    """Hash (h, w, 3) RGB into 64 bits: which of 9 x 8 mean lumas is brighter than the next."""
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    small = np.asarray(cv2.resize(gray, (9, 8), interpolation=cv2.INTER_AREA))
    bits = np.packbits(small[:, 1:] > small[:, :-1])
    return bits.view(">u8")[0].astype(np.uint64)


def best_first(scores: Sequence[Scores], reasons: Sequence[Sequence[str]]) -> Indices:
    """Order by fewest reasons, then by detail of the source, then sharpness, then position."""
    faults = np.array([len(own) for own in reasons], dtype=np.int64)
    sides = np.array([0.0 if score.side is None else score.side for score in scores])
    sharpness = np.array([score.laplacian for score in scores])
    return np.lexsort((np.arange(len(scores)), -sharpness, -sides, faults))


def kept_by_hash(hashes: Hashes, order: Indices, limit: int = HASH_LIMIT) -> Indices:
    """Name for each of n pictures the one kept for it: itself, or the best within `limit` bits."""

    if len(hashes) >= MANY and (pairs := near_pairs(hashes, limit)) is not None:
        return _kept_of_pairs(len(hashes), order, *pairs)

    def near(rows: Indices) -> NDArray[np.bool_]:
        return np.bitwise_count(hashes[rows, None] ^ hashes[None, :]) <= limit

    return _kept(len(hashes), order, near)


def kept_by_descriptor(
    descriptors: NDArray[np.float32],
    hashes: Hashes,
    order: Indices,
    limit: float = DESCRIPTOR_LIMIT,
    hash_limit: int = SIMILAR_HASH_LIMIT,
    ages: NDArray[np.float64] | None = None,
) -> Indices:
    """Name for each of (n, 128) descriptors the one kept for it.

    Two photos of one sitting are close in Euclidean distance and no duplicates, so the hashes must
    lie within `hash_limit` bits, too. Photos known to be taken at different `ages`, (n,) years with
    NaN for unknown, are never duplicates.
    """
    norms = (descriptors**2).sum(axis=1)
    years = ages if ages is not None else np.full(len(descriptors), np.nan)
    if len(hashes) >= MANY and (pairs := near_pairs(hashes, hash_limit)) is not None:
        one, other = pairs
        alike = np.zeros(len(one), np.bool_)
        for at in range(0, len(one), BLOCK // descriptors.shape[1]):
            block = slice(at, at + BLOCK // descriptors.shape[1])
            products = (descriptors[one[block]] * descriptors[other[block]]).sum(axis=1)
            apart = norms[one[block]] + norms[other[block]] - 2 * products
            alike[block] = apart <= limit**2
        alike &= ~(np.abs(years[one] - years[other]) >= 1)
        return _kept_of_pairs(len(hashes), order, one[alike], other[alike])

    def near(rows: Indices) -> NDArray[np.bool_]:
        products = descriptors[rows] @ descriptors.T
        same_face = norms[rows, None] + norms[None, :] - 2 * products <= limit**2
        similar = np.bitwise_count(hashes[rows, None] ^ hashes[None, :]) <= hash_limit
        other_age = np.abs(years[rows, None] - years[None, :]) >= 1
        return same_face & similar & ~other_age

    return _kept(len(descriptors), order, near)


def _kept_of_pairs(count: int, order: Indices, one: Indices, other: Indices) -> Indices:
    """As `_kept`, of all pairs that are near."""
    rows, near = np.concatenate([one, other]), np.concatenate([other, one])
    near = near[np.argsort(rows, kind="stable")]
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=count), out=starts[1:])
    kept_for = np.arange(count)
    claimed = np.zeros(count, np.bool_)
    for row in order[np.diff(starts)[order] > 0]:
        if not claimed[row]:
            own = near[starts[row] : starts[row + 1]]
            own = own[~claimed[own]]
            kept_for[own], claimed[own] = row, True
            claimed[row] = True
    return kept_for


def _kept(count: int, order: Indices, near: Callable[[Indices], NDArray[np.bool_]]) -> Indices:
    """Let each picture, best first, claim what is near it and not yet claimed."""
    kept_for = np.full(count, -1, dtype=np.int64)
    step = max(BLOCK // max(count, 1), 1)
    at = 0
    while at < count:
        # Duplicates so far need no row of their own.
        rows = order[at:]
        rows = rows[kept_for[rows] < 0][:step]
        if len(rows) == 0:
            break
        at = int(np.flatnonzero(order == rows[-1])[0]) + 1
        for row, close in zip(rows, near(rows), strict=True):
            if kept_for[row] < 0:
                kept_for[close & (kept_for < 0)] = row
                kept_for[row] = row
    return kept_for
