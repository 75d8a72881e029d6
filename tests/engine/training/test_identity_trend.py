"""The verdict on a run's identity loss over rolling windows."""

import json

import pytest

from engine.training.identity_trend import identity_trend, trend_of


@pytest.mark.parametrize(
    ("values", "non_increasing", "value"),
    [
        ([4, 4, 3, 3, 2, 2, 1, 1], True, -3),
        ([1, 1, 1, 1, 1, 1, 1, 1], True, 0),
        ([4, 4, 3, 3, 5, 5, 1, 1], False, -3),
        ([1, 1, 2, 2, 3, 3, 4, float("nan"), 4], False, 3),
    ],
)
def test_windows_are_compared_with_those_before(values, non_increasing, value):
    trend = trend_of("x", values)
    assert trend is not None
    assert (trend.non_increasing, trend.value) == (non_increasing, value)
    assert ("never rises" in str(trend)) is non_increasing


def test_a_short_curve_has_no_trend(tmp_path):
    assert trend_of("x", [1.0] * 7) is None
    assert identity_trend(tmp_path) is None


def test_the_curve_of_the_validation_goes_before_that_of_the_training(tmp_path):
    rows = [
        {"step": n, "loss/real/identity": 1.0 * n, "val/loss_identity": -1.0 * n} for n in range(8)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    trend = identity_trend(tmp_path)
    assert (trend.curve, trend.value) == ("val/loss_identity", -6)
