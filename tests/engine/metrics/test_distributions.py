"""Distances of sets against the closed formula, and between halves of one set."""

import numpy as np
import pytest
import torch

from engine.metrics.distributions import concordance, frechet, kernel, standardised


@pytest.fixture
def rows():
    return np.random.default_rng(3).normal(size=(60, 5))


def test_a_set_has_frechet_distance_0_to_itself(rows):
    assert frechet(rows, rows) == pytest.approx(0, abs=1e-8)


def test_the_distance_of_a_shift_is_its_square(rows):
    assert frechet(rows, rows + np.array([3, 4, 0, 0, 0])) == pytest.approx(25, rel=1e-6)


def test_the_distance_of_a_scaled_set_follows_the_formula(rows):
    # sum of (s_i - 2 s_i)^2 over the axes of the covariance is its trace.
    doubled = rows.mean(axis=0) + 2 * (rows - rows.mean(axis=0))
    trace = np.trace(np.cov(rows, rowvar=False))
    assert frechet(rows, doubled) == pytest.approx(trace, rel=1e-6)


def test_more_features_than_pictures_change_no_distance():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(6, 40)), 2 * rng.normal(size=(7, 40)) + 1
    a, b = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    # Trace of the root of a b by the singular values of the two roots' product.
    roots = [(rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1) for rows in (one, other)]
    both = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    far = np.square(one.mean(axis=0) - other.mean(axis=0)).sum()
    expected = far + np.trace(a) + np.trace(b) - 2 * both
    assert frechet(one, other) == pytest.approx(expected, rel=1e-5)


def test_the_kernel_distance_is_the_sum_over_pairs_of_different_pictures(rows):
    one, other = rows[:30], rows[30:] + 0.3
    width = rows.shape[1]

    def kernel_of(a, b):
        return (a @ b / width + 1) ** 3

    within = [
        np.mean([kernel_of(x[i], x[j]) for i in range(30) for j in range(30) if i != j])
        for x in (one, other)
    ]
    between = np.mean([kernel_of(a, b) for a in one for b in other])
    assert kernel(one, other) == pytest.approx(sum(within) - 2 * between, rel=1e-6)


def test_the_kernel_distance_of_splits_of_one_set_is_unbiased():
    estimates = []
    for seed in range(60):
        rows = np.random.default_rng(seed).normal(size=(40, 4))
        estimates.append(kernel(rows[:20], rows[20:], seed=seed))
    error = np.std(estimates) / np.sqrt(len(estimates))
    # The biased estimate would be above 0 by far more than its noise.
    assert abs(np.mean(estimates)) < 3 * error
    assert min(estimates) < 0


def test_the_kernel_distance_does_not_disturb_random_numbers(rows):
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    one, other = (kernel(rows[:30], rows[30:], size=10) for _ in range(2))
    assert torch.equal(torch.rand(1), expected)
    assert one == other


def test_sets_are_standardised_by_the_first(rows):
    first, second = standardised(3 * rows + 7, 3 * rows + 10)
    assert first.mean(axis=0) == pytest.approx(0, abs=1e-9)
    assert first.std(axis=0) == pytest.approx(1)
    assert second - first == pytest.approx(np.broadcast_to(1 / rows.std(axis=0), rows.shape))


def test_concordance_is_1_for_equal_values_alone():
    truth = [0.0, 0.5, 1.0]
    assert concordance(truth, truth) == pytest.approx(1)
    # Shifted by 0.5: 2 * 1/6 / (1/6 + 1/6 + 1/4).
    assert concordance(truth, [0.5, 1.0, 1.5]) == pytest.approx(4 / 7)
    assert concordance(truth, [1.0, 0.5, 0.0]) == pytest.approx(-1)
    assert concordance([1, 1], [1, 1]) == 0
