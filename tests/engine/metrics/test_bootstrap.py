import numpy as np
import pytest

from engine.metrics.bootstrap import mean_interval, ratio_interval


def test_the_interval_is_that_of_the_normal_distribution(rng):
    numbers = rng.normal(3, 2, 400)
    mean, low, high = mean_interval(numbers)
    assert mean == pytest.approx(numbers.mean())
    half = 1.96 * numbers.std() / 20
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.03)


def test_the_interval_of_two_numbers_by_hand():
    # The means are 0, 1/2 and 1, a quarter, a half and a quarter of the time.
    assert mean_interval([0, 1]) == (0.5, 0, 1)
    assert mean_interval([0, 1], confidence=0.4) == (0.5, 0.5, 0.5)
    assert mean_interval([3, 3, 3]) == (3, 3, 3)


def test_the_same_seed_gives_the_same_interval():
    numbers = np.arange(20.0)
    assert mean_interval(numbers, seed=3) == mean_interval(numbers, seed=3)
    assert mean_interval(numbers, seed=3) != mean_interval(numbers, seed=4)


def test_copies_within_a_group_do_not_narrow_the_interval():
    people = np.arange(20.0)
    alone = mean_interval(people)
    copied = mean_interval(np.repeat(people, 9), groups=np.repeat(np.arange(20), 9))
    assert copied == pytest.approx(alone)


def test_groups_must_go_with_the_numbers():
    with pytest.raises(ValueError, match="3 numbers and 2 groups"):
        mean_interval([1, 2, 3], groups=[0, 1])


def test_a_ratio_of_sums_is_resampled_over_groups():
    generator = np.random.default_rng(0)
    below = generator.uniform(1, 2, 200)
    people = np.repeat(np.arange(40), 5)
    above = below * np.repeat(generator.normal(0.8, 0.2, 40), 5)
    interval = ratio_interval(above, below, groups=people)
    assert interval.mean == pytest.approx(above.sum() / below.sum())
    assert interval.low < 0.8 < interval.high
    alone = ratio_interval(above, below, groups=np.arange(200))
    assert interval.high - interval.low > 1.5 * (alone.high - alone.low)
    with pytest.raises(ValueError, match="2 groups"):
        ratio_interval([1, 2, 3], [1, 2, 3], groups=[0, 1])
