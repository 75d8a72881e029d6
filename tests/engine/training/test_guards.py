import pytest
import torch

from engine.training.guards import DivergedError, FiniteGuard, Plateau

GOOD, BAD = torch.tensor(1.0), torch.tensor(float("nan"))


def test_good_steps_pass_and_forgive_the_bad_ones_before_them():
    guard = FiniteGuard(patience=3)
    pattern = [guard.allows(0, {"l2": t}, t) for t in (GOOD, BAD, BAD, GOOD, BAD, BAD, GOOD)]
    assert pattern == [True, False, False, True, False, False, True]
    assert guard.skipped == 4


def test_the_first_term_that_was_not_finite_is_named():
    guard = FiniteGuard(patience=2)
    terms = {"l2": GOOD, "identity": BAD, "ageing": BAD}
    assert not guard.allows(6, terms, BAD)
    with pytest.raises(DivergedError, match="2 steps up to 7 .* the term `identity`"):
        guard.allows(7, terms, BAD)


def test_a_gradient_may_break_while_every_term_is_finite():
    guard = FiniteGuard(patience=1)
    with pytest.raises(DivergedError, match="the gradient, and no term"):
        guard.allows(3, {"l2": GOOD}, torch.tensor(float("inf")))


def test_a_curve_that_falls_has_no_plateau_and_one_that_stays_has():
    falling, flat = Plateau(window=100), Plateau(window=100)
    assert not any(falling.reached(step, 1 - step / 1_000) for step in range(0, 900, 10))
    reached = [flat.reached(step, 0.5) for step in range(0, 200, 10)]
    assert reached.index(True) == 10


def test_the_trend_is_the_later_half_less_the_earlier():
    curve = Plateau(window=1_000)
    assert curve.trend == 0.0
    for step, value in enumerate([4.0, 2.0, 1.0, 1.0]):
        curve.reached(step, value)
    assert curve.trend == -2.0
