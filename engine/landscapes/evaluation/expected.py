"""The curves that the original project's notes expect, beside those of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from engine.landscapes.trainings.adversarial.recipe import LandscapeRecipe
from engine.landscapes.trainings.base import GeneratorRecipe
from engine.training.journal import METRICS, read_journal

PARTS = 10
"""Of which a curve's first and last are looked at."""
ORIGINAL = ("fixed", "fallback")
"""Recipes with the losses and weights that the notes are about."""
LPIPS = "lpips-alex"


@dataclass(frozen=True, slots=True)
class Expectation:
    """A curve of the journal; in the mean of its last tenth it is to lie within low..high."""

    what: str
    curve: str
    low: float
    high: float
    lpips: bool = False
    """Whether the figure is one of LPIPS."""


EXPECTED = (
    Expectation("generator loss falls from 0.6 to 0.1", "loss/total_generator", -1e9, 0.1),
    Expectation("discriminator loss stays in 1.5..2.0", "loss/total_discriminator", 1.5, 2.0),
    Expectation("diversity loss falls from 0.3 to 0.1", "loss/generator/diversity", 0, 0.1),
    Expectation("perceptual from 0.5 to 0.3", "loss/generator/perceptual", 0, 0.3, lpips=True),
    Expectation("largest gamma of a unit under 2.0", "val/gamma_max", 0, 2.0),
)


def expected_curves(run: Path, recipe: GeneratorRecipe) -> list[dict[str, Any]]:
    """A row for each expectation: `what`, `first` and `last` tenth of the run's curve, `outcome`.

    The outcome is `reached`, `not reached`, or `not comparable` with the reason in `why`.
    """
    rows = read_journal(run / METRICS)
    return [_row(one, [row.get(one.curve) for row in rows], recipe) for one in EXPECTED]


def _row(one: Expectation, column: Sequence[Any], recipe: GeneratorRecipe) -> dict[str, Any]:
    values = [float(v) for v in column if isinstance(v, int | float) and isfinite(v)]
    length = max(len(values) // PARTS, 1)
    first, last = (
        sum(part) / len(part) if part else None for part in (values[:length], values[-length:])
    )
    why = _why_not(one, recipe) if last is not None else "the run has no such curve"
    outcome: Literal["reached", "not reached", "not comparable"] = "not comparable"
    if why is None and last is not None:
        outcome = "reached" if one.low <= last <= one.high else "not reached"
    return {"what": one.what, "first": first, "last": last, "outcome": outcome, "why": why}


def _why_not(one: Expectation, recipe: GeneratorRecipe) -> str | None:
    """Why the notes say nothing of this recipe's curve; None if they do."""
    if one.curve.startswith("val/"):
        return None
    if not isinstance(recipe, LandscapeRecipe) or recipe.name not in ORIGINAL:
        return f"`{recipe.name}` has other losses or weights than `gan/fixed`"
    if one.lpips and recipe.networks.perceptual != LPIPS:
        return f"the notes are about LPIPS: `networks.perceptual={LPIPS}`"
    return None
