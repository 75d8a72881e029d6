"""What a plan of re-ageing refuses before anything is loaded."""

from pathlib import Path

import pytest

from engine.core.errors import UsageError
from engine.inference.plan import InferPlan

HERE = Path()


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), float("-inf")])
def test_a_strength_that_is_not_finite_is_refused(strength):
    with pytest.raises(UsageError, match="is not a finite number"):
        InferPlan(HERE, HERE, (40.0,), strength)


@pytest.mark.parametrize("strength", [0.0, 1.0, 1.5])
def test_a_finite_strength_is_the_users_choice(strength):
    assert InferPlan(HERE, HERE, (40.0,), strength).strength == strength
