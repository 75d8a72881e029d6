import numpy as np
import pytest

from engine.metrics.bootstrap import figure_interval, mean_interval, ratio_interval


def test_the_interval_is_that_of_the_normal_distribution(rng):
    numbers = rng.normal(3, 2, 400)
    mean, low, high = mean_interval(numbers, groups=range(400))
    assert mean == pytest.approx(numbers.mean())
    half = 1.96 * numbers.std() / 20
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.03)


def test_the_interval_of_two_numbers_by_hand():
    # The means are 0, 1/2 and 1, a quarter, a half and a quarter of the time.
    assert mean_interval([0, 1], groups=["a", "b"]) == (0.5, 0, 1)
    assert mean_interval([0, 1], groups=[0, 1], confidence=0.4) == (0.5, 0.5, 0.5)
    assert mean_interval([3, 3, 3], groups=[0, 1, 2]) == (3, 3, 3)


def test_the_same_seed_gives_the_same_interval():
    numbers = np.arange(20.0)
    one, again, other = (mean_interval(numbers, groups=range(20), seed=n) for n in (3, 3, 4))
    assert one == again != other


def test_copies_within_a_group_do_not_narrow_the_interval():
    people = np.arange(20.0)
    alone = mean_interval(people, groups=range(20))
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


def halves(draws=4000):
    """The interval of two people of two photographs each, whose means differ by nothing."""
    numbers, people, photos = [0, 1, 0, 1], ["a", "a", "b", "b"], ["w", "x", "w", "x"]
    return mean_interval(numbers, groups=people, within=photos, resamples=draws, confidence=0.9)


def test_photographs_are_drawn_within_the_people_drawn():
    numbers, people = [0.0, 1.0, 0.0, 1.0], ["a", "a", "b", "b"]
    assert mean_interval(numbers, groups=people) == (0.5, 0.5, 0.5)
    # Each of four photographs drawn is 0 or 1: all alike in one of 16 draws a side, over 5 %.
    assert halves() == (0.5, 0, 1)


def test_rows_of_one_photograph_are_drawn_together():
    numbers = np.repeat([0.0, 1.0, 0.0, 1.0], 5)
    people, photos = np.repeat([0, 0, 1, 1], 5), np.repeat([7, 8, 7, 8], 5)
    one = mean_interval(numbers, groups=people, within=photos, resamples=4000, confidence=0.9)
    assert one == halves()


def test_people_with_more_photographs_have_more_of_them_drawn(rng):
    people = np.repeat(np.arange(30), rng.integers(1, 9, 30))
    numbers = rng.normal(size=30)[people] + rng.normal(size=len(people))
    whole = mean_interval(numbers, groups=people)
    both = mean_interval(numbers, groups=people, within=range(len(people)))
    alone = mean_interval(numbers, groups=range(len(people)))
    assert whole.mean == both.mean == alone.mean
    widths = [interval.high - interval.low for interval in (alone, whole, both)]
    assert widths == sorted(widths)
    assert both.low < numbers.mean() < both.high


def test_chunks_of_draws_do_not_change_what_an_interval_is(monkeypatch, rng):
    people, numbers = np.repeat(np.arange(10), 4), rng.normal(size=40)
    whole = mean_interval(numbers, groups=people, within=range(40))
    monkeypatch.setattr("engine.metrics.bootstrap.CHUNK", 120)
    chunks = mean_interval(numbers, groups=people, within=range(40))
    assert chunks == pytest.approx(whole, abs=0.05)


def test_any_figure_is_resampled_over_groups(rng):
    people, numbers = np.repeat(np.arange(25), 2), np.repeat(rng.normal(size=25), 2)
    figure = figure_interval(lambda rows: float(numbers[rows].mean()), groups=people)
    assert figure == pytest.approx(mean_interval(numbers, groups=people))
    with pytest.raises(ValueError, match="nothing"):
        figure_interval(lambda rows: 0.0, groups=[])
