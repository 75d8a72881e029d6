"""Near-duplicates are grouped around their best picture, exactly as a plain double loop would."""

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from engine.faces.duplicates import best_first, dhash, kept_by_descriptor, kept_by_hash
from engine.faces.near_hashes import near_pairs
from engine.faces.quality import Scores


def plain_groups(order, near):
    """The specification: each picture, best first, claims what is near and unclaimed."""
    keeper = [-1] * len(order)
    for row in order:
        if keeper[row] < 0:
            for other in range(len(order)):
                if keeper[other] < 0 and (other == row or near(row, other)):
                    keeper[other] = row
    return keeper


def scores(side=200.0, laplacian=100.0):
    return Scores(laplacian, 5000.0, 120.0, 50.0, 0.0, 0.0, False, False, 0.0, 0.0, side)


def bits(one, other):
    return int(one ^ other).bit_count()


def close_hashes(count, seed=0):
    rng = np.random.default_rng(seed)
    roots = rng.integers(0, 2**63, 12, dtype=np.uint64)
    hashes = roots[rng.integers(0, 12, count)]
    for _ in range(3):
        hashes = hashes ^ (np.uint64(1) << rng.integers(0, 64, count, dtype=np.uint64))
    return hashes


def test_the_hash_survives_recompression_scaling_and_exposure():
    picture = astronaut()
    reference = dhash(picture)
    encoded = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 1)
    for copy in (encoded, cv2.resize(picture, (200, 200)), (picture * 0.8 + 10).astype(np.uint8)):
        assert bits(dhash(copy), reference) <= 4
    assert bits(dhash(picture[:, ::-1]), reference) > 12


def test_the_hash_compares_neighbours_row_by_row():
    ramp = np.tile(np.arange(9, dtype=np.uint8) * 20, (8, 1))
    assert dhash(np.repeat(ramp[..., None], 3, 2)) == np.uint64(2**64 - 1)
    assert dhash(np.repeat(ramp[:, ::-1, None], 3, 2)) == 0
    first = np.zeros((8, 9), np.uint8)
    first[0, 1:] = 200
    assert dhash(np.repeat(first[..., None], 3, 2)) == np.uint64(1 << 63)


@pytest.mark.parametrize("many", [0, 4_000])
@pytest.mark.parametrize("block", [500, 8_000_000])
def test_hash_groups_equal_the_double_loop(monkeypatch, block, many):
    monkeypatch.setattr("engine.faces.duplicates.BLOCK", block)
    monkeypatch.setattr("engine.faces.duplicates.MANY", many)
    hashes = close_hashes(150)
    order = np.random.default_rng(1).permutation(150)
    expected = plain_groups(order, lambda a, b: bits(hashes[a], hashes[b]) <= 4)
    assert kept_by_hash(hashes, order).tolist() == expected
    assert len(set(expected)) < 150


@pytest.mark.parametrize("many", [0, 4_000])
@pytest.mark.parametrize("block", [500, 8_000_000])
def test_descriptor_groups_equal_the_double_loop(monkeypatch, block, many):
    monkeypatch.setattr("engine.faces.duplicates.BLOCK", block)
    monkeypatch.setattr("engine.faces.duplicates.MANY", many)
    rng = np.random.default_rng(2)
    people = rng.normal(size=(10, 128)) * 0.12
    rows = (people[rng.integers(0, 10, 120)] + rng.normal(size=(120, 128)) * 0.011).astype(
        np.float32
    )
    order = rng.permutation(120)
    gaps = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    expected = plain_groups(order, lambda a, b: gaps[a, b] <= 0.2)
    same_looks = np.zeros(len(rows), np.uint64)
    assert kept_by_descriptor(rows, same_looks, order).tolist() == expected
    assert 10 <= len(set(expected)) < 120


def test_similar_faces_in_different_pictures_are_no_duplicates():
    rows = np.zeros((2, 128), np.float32)
    near, far = (np.array([0, 2**bits - 1], np.uint64) for bits in (8, 9))
    assert kept_by_descriptor(rows, near, np.arange(2)).tolist() == [0, 0]
    assert kept_by_descriptor(rows, far, np.arange(2)).tolist() == [0, 1]


def test_photos_of_different_known_ages_are_no_duplicates():
    rows, looks = np.zeros((3, 128), np.float32), np.zeros(3, np.uint64)
    ages = np.array([30.0, 31.0, np.nan])
    assert kept_by_descriptor(rows, looks, np.arange(3), ages=ages).tolist() == [0, 1, 0]


def test_a_chain_of_small_steps_does_not_become_one_group():
    hashes = np.array([0b0, 0b1111, 0b11111111, 0b111111111111], dtype=np.uint64)
    assert kept_by_hash(hashes, np.arange(4)).tolist() == [0, 0, 2, 2]


def test_the_best_of_a_group_stays_by_faults_then_detail_then_sharpness():
    rows = [
        scores(side=300),
        scores(side=500),
        scores(side=500, laplacian=150),
        scores(side=900),
    ]
    order = best_first(rows, [[], [], [], ["blurry"]])
    assert order.tolist() == [2, 1, 0, 3]
    assert kept_by_hash(np.zeros(4, np.uint64), order).tolist() == [2, 2, 2, 2]


def test_nothing_and_one_are_no_special_case():
    assert kept_by_hash(np.zeros(0, np.uint64), np.zeros(0, np.int64)).tolist() == []
    one = np.zeros((1, 128), np.float32)
    assert kept_by_descriptor(one, np.zeros(1, np.uint64), np.zeros(1, np.int64)).tolist() == [0]


def test_more_pictures_than_one_block_holds_are_compared():
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 2**63, 5000, dtype=np.uint64)
    rows = rng.normal(size=(5000, 128)).astype(np.float32)
    assert len(set(kept_by_hash(hashes, np.arange(5000)).tolist())) == 5000
    assert len(set(kept_by_descriptor(rows, hashes, np.arange(5000)).tolist())) == 5000


@pytest.mark.parametrize("limit", [0, 2, 4, 8, 11])
def test_looking_hashes_up_finds_every_near_pair(limit):
    hashes = close_hashes(200, seed=limit)
    hashes[:20] ^= np.uint64(0b1111) << np.uint64(20)  # across the border of two pieces
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    expected = np.argwhere(np.triu(apart <= limit, 1))
    pairs = near_pairs(hashes, limit)
    assert pairs is not None
    np.testing.assert_array_equal(np.stack(pairs, axis=1), expected)
    assert limit == 0 or len(expected)


def test_hashes_that_are_all_alike_are_left_to_comparison(monkeypatch):
    monkeypatch.setattr("engine.faces.near_hashes.MOST_PAIRS", 100)
    assert near_pairs(np.zeros(50, np.uint64), 4) is None
    assert near_pairs(np.zeros(50, np.uint64), 12) is None
    assert [len(one) for one in near_pairs(np.zeros(0, np.uint64), 4)] == [0, 0]
