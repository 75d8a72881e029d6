"""All pairs of 64-bit hashes that differ in few bits, without comparing every pair."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

PIECES = ((0, 22), (22, 21), (43, 21))
"""First bit and width of the pieces that a hash is cut into."""
MOST_BITS = 11
"""Pairs that differ in more bits would need more look-ups than comparisons."""
MOST_PAIRS = 20_000_000

Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]


def near_pairs(hashes: Hashes, limit: int) -> tuple[Indices, Indices] | None:
    """Both indices, the smaller one first, of every pair within `limit` bits: two arrays (p,).

    Two hashes that differ in up to `limit` bits differ in a third of them in one of three pieces
    (multi-index hashing, Norouzi et al. 2012): each piece is looked up with all changes of so few
    bits. None where the limit is too large for that, or more than 20 million pairs are near.
    """
    if limit > MOST_BITS:
        return None
    count = len(hashes)
    found: list[NDArray[np.int64]] = []
    for first, second in _candidates(hashes, limit // len(PIECES)):
        near = np.bitwise_count(hashes[first] ^ hashes[second]) <= limit
        found.append(first[near] * count + second[near])
        if sum(map(len, found)) > MOST_PAIRS:
            found = [np.unique(np.concatenate(found))]
            if len(found[0]) > MOST_PAIRS:
                return None
    pairs = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
    return pairs // max(count, 1), pairs % max(count, 1)


def _candidates(hashes: Hashes, radius: int) -> Iterator[tuple[Indices, Indices]]:
    """Pairs, the smaller index first, whose pieces differ in up to `radius` bits; some repeat."""
    for start, width in PIECES:
        keys = ((hashes >> np.uint64(start)) & np.uint64((1 << width) - 1)).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        starts = np.zeros((1 << width) + 1, np.int64)
        np.cumsum(np.bincount(keys, minlength=1 << width), out=starts[1:])
        for bits in range(radius + 1):
            for changed in combinations(range(width), bits):
                wanted = keys ^ sum(1 << bit for bit in changed)
                yield from _joined(starts[wanted], starts[wanted + 1], order)


def _joined(begin: Indices, end: Indices, order: Indices) -> Iterator[tuple[Indices, Indices]]:
    """Every row with each of the rows order[begin:end], some millions of pairs at a time."""
    rows = np.flatnonzero(end > begin)
    sizes = (end - begin)[rows]
    blocks = np.cumsum(sizes) // (MOST_PAIRS // 4)
    for block in range(int(blocks[-1]) + 1 if len(blocks) else 0):
        own, size = rows[blocks == block], sizes[blocks == block]
        first = np.repeat(own, size)
        offset = np.arange(len(first)) - np.repeat(np.cumsum(size) - size, size)
        second = order[np.repeat(begin[own], size) + offset]
        ahead = first < second
        yield first[ahead], second[ahead]
