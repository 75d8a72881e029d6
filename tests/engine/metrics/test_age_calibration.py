"""Calibration metrics of calibrated and of scaled spreads."""

import numpy as np
import pytest

from engine.metrics.age_calibration import (
    coverage_error,
    crps,
    cumulative_score,
    expected_calibration_error,
    negative_log_likelihood,
    probability_within,
    reliability_bins,
    rmse,
    spread_bins,
    wasserstein,
)


@pytest.fixture(scope="module")
def calibrated():
    """Ages whose errors are normal with exactly the estimated spread."""
    draw = np.random.default_rng(0)
    truth, std = draw.uniform(5, 95, 20_000), draw.uniform(2, 9, 20_000)
    return truth, truth + std * draw.standard_normal(20_000), std


def ece(truth, estimate, std):
    bins = reliability_bins(probability_within(std), np.abs(estimate - truth) <= 5)
    return expected_calibration_error(bins)


def test_a_calibrated_spread_has_no_calibration_error(calibrated):
    assert ece(*calibrated) < 0.01
    assert coverage_error(*calibrated) < 0.01
    assert expected_calibration_error(spread_bins(*calibrated)) < 0.1


@pytest.mark.parametrize("times", [0.4, 2.5])
def test_spreads_that_are_too_small_or_too_large_score_worse(calibrated, times):
    truth, estimate, std = calibrated
    assert ece(truth, estimate, times * std) > 0.15
    assert coverage_error(truth, estimate, times * std) > 0.1
    likely = negative_log_likelihood(truth, estimate, std)
    assert negative_log_likelihood(truth, estimate, times * std) > likely
    assert crps(truth, estimate, times * std) > crps(truth, estimate, std)


def test_bins_of_equal_count(calibrated):
    truth, estimate, std = calibrated
    bars = reliability_bins(
        probability_within(std), np.abs(estimate - truth) <= 5, equal_counts=True
    )
    counts = [bar.faces for bar in bars]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) == len(truth)


def test_the_wasserstein_distance_of_shifted_ages_is_the_shift():
    ages = np.random.default_rng(1).uniform(5, 95, 500)
    assert wasserstein(ages, ages + 4.25) == pytest.approx(4.25)
    assert wasserstein(ages, ages) == 0
    assert wasserstein([0, 100], [50]) == pytest.approx(50)


def test_crps_by_hand():
    assert crps([30], [30], [1e-6]) == pytest.approx(0, abs=1e-5)
    assert crps([30], [40], [1e-6]) == pytest.approx(10, abs=1e-4)
    # The closed form at zero error: sigma (sqrt 2 - 1) / sqrt pi.
    assert crps([30], [30], [2.0]) == pytest.approx(2 * (2**0.5 - 1) / np.pi**0.5)


def test_the_cumulative_score_includes_its_limit():
    truth, estimate = [30, 30, 30, 30], [30, 33, 35, 41]
    assert [cumulative_score(truth, estimate, k) for k in (0, 3, 5, 10)] == [0.25, 0.5, 0.75, 0.75]
    assert rmse([0, 0], [3, 4]) == pytest.approx((25 / 2) ** 0.5)
