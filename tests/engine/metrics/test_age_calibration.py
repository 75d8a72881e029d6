"""Honest spreads pass, boasting ones fail."""

import numpy as np
import pytest

from engine.metrics.age_calibration import (
    confidence_bars,
    coverage_error,
    crps,
    cumulative_score,
    earth_mover,
    expected_error,
    negative_log_likelihood,
    rmse,
    spread_bars,
    surely_within,
)


@pytest.fixture(scope="module")
def honest():
    """Ages whose errors are normal with exactly the spread told."""
    draw = np.random.default_rng(0)
    truth, std = draw.uniform(5, 95, 20_000), draw.uniform(2, 9, 20_000)
    return truth, truth + std * draw.standard_normal(20_000), std


def ece(truth, told, std):
    return expected_error(confidence_bars(surely_within(std), np.abs(told - truth) <= 5))


def test_an_honest_spread_has_no_calibration_error(honest):
    assert ece(*honest) < 0.01
    assert coverage_error(*honest) < 0.01
    assert expected_error(spread_bars(*honest)) < 0.1


@pytest.mark.parametrize("times", [0.4, 2.5])
def test_boasting_and_false_modesty_are_found_out(honest, times):
    truth, told, std = honest
    assert ece(truth, told, times * std) > 0.15
    assert coverage_error(truth, told, times * std) > 0.1
    likely = negative_log_likelihood(truth, told, std)
    assert negative_log_likelihood(truth, told, times * std) > likely
    assert crps(truth, told, times * std) > crps(truth, told, std)


def test_bins_of_equal_count_hold_as_many_each(honest):
    truth, told, std = honest
    bars = confidence_bars(surely_within(std), np.abs(told - truth) <= 5, equal_counts=True)
    counts = [bar.faces for bar in bars]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) == len(truth)


def test_ages_moved_by_some_years_are_that_far_away():
    ages = np.random.default_rng(1).uniform(5, 95, 500)
    assert earth_mover(ages, ages + 4.25) == pytest.approx(4.25)
    assert earth_mover(ages, ages) == 0
    assert earth_mover([0, 100], [50]) == pytest.approx(50)


def test_scores_of_a_perfect_and_of_a_sure_but_wrong_age():
    assert crps([30], [30], [1e-6]) == pytest.approx(0, abs=1e-5)
    assert crps([30], [40], [1e-6]) == pytest.approx(10, abs=1e-4)
    # The closed form at zero error: sigma (sqrt 2 - 1) / sqrt pi.
    assert crps([30], [30], [2.0]) == pytest.approx(2 * (2**0.5 - 1) / np.pi**0.5)


def test_within_k_years_counts_the_border():
    truth, told = [30, 30, 30, 30], [30, 33, 35, 41]
    assert [cumulative_score(truth, told, k) for k in (0, 3, 5, 10)] == [0.25, 0.5, 0.75, 0.75]
    assert rmse([0, 0], [3, 4]) == pytest.approx((25 / 2) ** 0.5)
