import numpy as np
import pytest

from engine.metrics.age import age_response, bias, correlation, mae, spearman


def test_the_error_and_the_bias_are_in_years():
    assert mae([10, 20, 30], [12, 20, 26]) == 2
    assert bias([10, 20, 30], [12, 20, 26]) == pytest.approx(-2 / 3)


def test_a_line_correlates_fully_in_either_direction():
    assert correlation([1, 2, 3], [5, 7, 9]) == pytest.approx(1)
    assert correlation([1, 2, 3], [9, 7, 5]) == pytest.approx(-1)


def test_spearman_depends_on_the_order_alone():
    assert spearman([10, 20, 30, 40], [1, 2, 100, 1000]) == pytest.approx(1)


def test_spearman_by_hand():
    # Ranks 1 2 3 4 against 2 1 4 3: 1 - 6 * 4 / (4 * 15).
    assert spearman([10, 20, 30, 40], [20, 10, 40, 30]) == pytest.approx(0.6)


def test_ties_share_their_rank():
    # Ranks 1 2 3 against 1.5 1.5 3: 1.5 / sqrt(2 * 1.5).
    assert spearman([1, 2, 3], [5, 5, 6]) == pytest.approx(1.5 / 3**0.5)


def test_a_constant_has_no_correlation():
    assert spearman([10, 20, 30], [40, 40, 40]) == 0
    assert correlation([10, 20, 30], [40, 40, 40]) == 0


def test_vectors_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="no pairs"):
        mae([1, 2], [1])


@pytest.mark.parametrize("targets", [[25.0, 35.0, 45.0, 70.0], [39.0, 41.0], [40.0]])
@pytest.mark.parametrize(
    ("change", "response"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (1.4, 1.0), (-0.3, 0.0)]
)
def test_the_age_response_is_the_share_of_the_change_asked_for(targets, change, response):
    ages = np.array([22.0, 30.0, 41.0, 48.0])
    after = ages[:, None] + 3 + change * (np.array(targets) - ages[:, None])
    assert age_response(ages, targets, ages + 3, after) == pytest.approx(response, abs=1e-9)


def test_one_face_at_every_age_is_no_response():
    ages, targets = [22.0, 48.0], [25.0, 45.0, 70.0]
    assert age_response(ages, targets, ages, np.full((2, 3), 40.0)) == 0
    assert age_response([40.0], [40.0], [40.0], [[40.0]]) == 0
