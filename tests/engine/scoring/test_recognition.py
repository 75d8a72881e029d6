"""Pairs of real photos: all of a few, a bounded number of many."""

import numpy as np
import pytest

from engine.scoring.recognition import MOST_PAIRS, pairs_of


def test_every_pair_of_a_few_photos_counts_once():
    one, other = pairs_of(200)
    assert len({*zip(one.tolist(), other.tolist(), strict=True)}) == 200 * 199 // 2
    assert (one < other).all()


@pytest.mark.parametrize("count", [201, 1_000_000])
def test_of_many_photos_as_many_pairs_are_drawn_evenly(count):
    one, other = pairs_of(count)
    assert len(one) == len(other) <= MOST_PAIRS
    assert (one != other).all()
    share = np.concatenate([one, other]) / (count - 1)
    assert share.min() >= 0
    assert share.max() <= 1
    assert abs(share.mean() - 0.5) < 4 / np.sqrt(12 * len(share))
    assert (pairs_of(count)[0] == one).all()
