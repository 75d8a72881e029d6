"""Sampling by spread and rarity of ages."""

import numpy as np
import pytest

from engine.data.label_curriculum import LabelCurriculum

SPREAD = np.array([0, 2, 5, 9], np.float32)
BINS = np.zeros(4, np.int64)


def test_the_limit_rises_to_its_last_value():
    plan = LabelCurriculum(first=3, last=8, steps=100)
    assert [plan.limit(step) for step in (0, 50, 100, 1000)] == [3, 5.5, 8, 8]
    assert LabelCurriculum(first=3, last=8, steps=0).limit(0) == 8


def test_labels_of_large_spread_come_later_and_less_often():
    plan = LabelCurriculum(first=3, last=8, steps=100, fade=5, balance=0)
    early, late = plan.odds(0, SPREAD, BINS), plan.odds(100, SPREAD, BINS)
    assert early[2] == early[3] == late[3] == 0
    assert late[0] > late[1] > late[2] > 0
    assert late[2] / late[0] == pytest.approx(np.exp(-1))
    assert late.sum() == pytest.approx(1)


def test_rare_ages_are_sampled_more_often_by_the_root_of_their_rarity():
    bins = np.array([0, 0, 0, 0, 1])
    odds = LabelCurriculum(balance=0.5).odds(0, np.zeros(5, np.float32), bins)
    assert odds[4] / odds[0] == pytest.approx(2)
    assert LabelCurriculum(balance=0).odds(0, np.zeros(5, np.float32), bins)[4] == pytest.approx(
        0.2
    )


def test_above_the_limit_the_smallest_spread_is_sampled():
    odds = LabelCurriculum(first=3, last=3).odds(
        0, np.array([20, 30], np.float32), np.zeros(2, int)
    )
    assert odds.tolist() == [1, 0]
