import numpy as np
import pytest

from engine.metrics.verification import auc, equal_error_rate, verification_rate


def test_auc_counts_the_pairs_in_the_right_order():
    # 0.9 beats both, 0.4 beats one of two: 3 of 4.
    assert auc([0.9, 0.4], [0.5, 0.1]) == 0.75


def test_a_tie_counts_half():
    assert auc([0.5], [0.5]) == 0.5
    assert auc([0.5, 1.0], [0.5, 0.0]) == pytest.approx(3.5 / 4)


def test_auc_is_the_mean_over_all_pairs():
    rng = np.random.default_rng(3)
    same, different = rng.integers(2, 9, 40), rng.integers(0, 7, 60)
    above = same[:, None] - different
    slow = ((above > 0) + 0.5 * (above == 0)).mean()
    assert auc(same, different) == pytest.approx(slow)


def test_swapping_the_sides_inverts_the_auc():
    same, different = [0.9, 0.4, 0.7], [0.5, 0.1]
    assert auc(different, same) == pytest.approx(1 - auc(same, different))


def test_auc_depends_on_the_order_alone():
    same, different = np.array([0.9, 0.4]), np.array([0.5, 0.1])
    assert auc(np.exp(same), np.exp(different)) == auc(same, different)


@pytest.mark.parametrize(("far", "expected"), [(0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_the_verification_rate_grows_with_the_false_accept_rate(far, expected):
    same, different = [0.95, 0.85, 0.75, 0.1], [0.9, 0.8, 0.7, 0.2]
    assert verification_rate(same, different, far=far) == expected


def test_a_tie_with_a_rejected_impostor_is_rejected():
    assert verification_rate([0.5, 0.6], [0.5, 0.1], far=0.0) == 0.5


def test_the_equal_error_rate_by_hand():
    rate, threshold = equal_error_rate([0.9, 0.8, 0.7, 0.3], [0.6, 0.4, 0.2, 0.1])
    assert rate == 0.25
    assert threshold == 0.6


def test_separable_pairs_have_no_error():
    rate, threshold = equal_error_rate([0.9, 0.8], [0.2, 0.1])
    assert (rate, threshold) == (0.0, 0.8)


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match="nothing to measure"):
        auc([], [0.1])


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        auc([np.nan], [0.1])


def test_a_rate_outside_its_range_is_refused():
    with pytest.raises(ValueError, match="false accept rate"):
        verification_rate([1.0], [0.0], far=2)
