"""One age from the votes of several experts: weighted by confidence, with all of the variance.

`w_i = softmax((c_i - mu_i) / tau)` over the experts that answered, `age = sum_i w_i a_i`. One mu
for all of them cancels in the softmax and changes nothing, so `mu` is each expert's own: how
confident it must be to weigh as much as the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.core.table import Table
from engine.data.domains import Domain
from engine.experts.base import OLDEST

Numbers = NDArray[np.float64]
TAU = 0.1
"""Temperature where none was fitted, for confidences in 0..1."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What e experts say of n faces: years, spread and confidence, each (n, e); NaN is silence."""

    experts: tuple[str, ...]
    years: Numbers
    spread: Numbers
    confidence: Numbers

    def __len__(self) -> int:
        return len(self.years)

    def of(self, rows: Sequence[int] | NDArray[np.integer] | NDArray[np.bool_]) -> Self:
        """The votes on some of the faces."""
        parts = (self.years[rows], self.spread[rows], self.confidence[rows])
        return type(self)(self.experts, *parts)

    def only(self, experts: Sequence[str]) -> Self:
        """The votes of some of the experts, in that order."""
        at = [self.experts.index(name) for name in experts]
        parts = (self.years[:, at], self.spread[:, at], self.confidence[:, at])
        return type(self)(tuple(experts), *parts)


class ExpertCalibration(Table):
    """What one expert's votes mean, fitted on faces of known age."""

    digest: str
    """Of the weights it was fitted for."""
    slope: float = 1.0
    shift: float = 0.0
    """Corrected age = slope x age + shift, in years."""
    mu: float = 0.0
    """Confidence at which it weighs as much as the others."""
    stretch: float = Field(default=1.0, ge=0)
    floor: float = Field(default=0.0, ge=0)
    """Corrected spread = sqrt(floor^2 + (stretch x spread)^2), in years."""


class Calibration(Table):
    """What `--truth` fits; without it nothing is corrected and every mu is 0."""

    schema_version: int = 1
    domain: Domain
    experts: Mapping[str, ExpertCalibration]
    tau: float = Field(default=TAU, gt=0)
    stretch: float = Field(default=1.0, ge=0)
    floor: float = Field(default=0.0, ge=0)
    """Corrected spread of the mixture of all these experts, from the one their votes give."""
    mismatch: float = Field(default=2.0, gt=0)
    """How many standard deviations from the mixture's age a label counts as wrong."""
    false_flags: float | None = None
    """The share of right labels that `mismatch` was fitted to flag."""
    faces: int | None = None
    """On how many faces it was fitted."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """The fused ages of n faces; NaN where no expert answered.

    age, between, within (both variances in years^2), std: (n,); weights, ages (each expert's,
    corrected): (n, e), weight 0 and age NaN where it is silent.
    """

    age: Numbers
    std: Numbers
    between: Numbers
    within: Numbers
    weights: Numbers
    ages: Numbers

    @property
    def present(self) -> NDArray[np.int64]:
        """How many experts answered (n,)."""
        return np.isfinite(self.ages).sum(axis=1)

    @property
    def furthest(self) -> Numbers:
        """Years between the oldest and the youngest vote (n,)."""
        known = np.isfinite(self.ages)
        high = np.where(known, self.ages, -np.inf).max(axis=1, initial=-np.inf)
        low = np.where(known, self.ages, np.inf).min(axis=1, initial=np.inf)
        return np.subtract(high, low, out=np.full_like(high, np.nan), where=known.any(axis=1))


class Fusion(Table):
    """How votes become one age."""

    rule: Literal["confidence", "gate"] = "confidence"
    """`gate` is the learned one of four experts (`gate` names its weights)."""
    tau: float | None = Field(default=None, gt=0)
    """Temperature of the weights; the calibration's, or 0.1, where it is not given."""
    abstain_below: float = Field(default=0.0, ge=0, le=1)
    """An expert whose confidence is lower counts as silent."""
    gate: str | None = None
    """Weights of the learned gate, by name or file."""


def fuse(
    votes: Predictions, calibration: Calibration | None = None, fusion: Fusion | None = None
) -> Mixture:
    """Weigh the votes by confidence; the silent have no weight, whoever is left has all of it."""
    fusion = Fusion() if fusion is None else fusion
    ages, spread = corrected(votes, calibration)
    loud = np.isfinite(ages) & (votes.confidence >= fusion.abstain_below)
    ages = np.where(loud, ages, np.nan)
    weights = confidence_weights(
        votes.confidence, loud, mu=_mu(votes, calibration), tau=_tau(calibration, fusion)
    )
    return mixed(ages, spread, weights, calibration)


def mixed(
    ages: Numbers, spread: Numbers, weights: Numbers, calibration: Calibration | None = None
) -> Mixture:
    """The mixture of votes (n, e) with weights (n, e) that sum to 1, or to 0 where all are silent.

    Its variance is that between the votes and that within them. What several experts agree on is
    better than each of them: `calibration` knows by how much, for all of its experts together.
    """
    some = weights.sum(axis=1) > 0
    known = np.nan_to_num(ages)
    age = np.where(some, (weights * known).sum(axis=1), np.nan)
    between = np.where(some, (weights * (known - age[:, None]) ** 2).sum(axis=1), np.nan)
    within = np.where(some, (weights * np.nan_to_num(spread) ** 2).sum(axis=1), np.nan)
    std = np.sqrt(between + within)
    if calibration is not None:
        whole = np.isfinite(ages).sum(axis=1) == len(calibration.experts)
        std = np.where(whole, np.hypot(calibration.floor, calibration.stretch * std), std)
    return Mixture(np.clip(age, 0, None), std, between, within, weights, ages)


def corrected(votes: Predictions, calibration: Calibration | None) -> tuple[Numbers, Numbers]:
    """Ages and spreads (n, e) after each expert's own correction."""
    if calibration is None:
        return votes.years, votes.spread
    each = [calibration.experts[name] for name in votes.experts]
    slope, shift, stretch, floor = (
        np.array([getattr(one, what) for one in each])
        for what in ("slope", "shift", "stretch", "floor")
    )
    ages = np.clip(slope * votes.years + shift, 0, OLDEST + 20)
    return ages, np.hypot(floor, stretch * votes.spread)


def confidence_weights(
    confidence: Numbers, loud: NDArray[np.bool_], *, mu: Numbers | float, tau: float
) -> Numbers:
    """Softmax of (c - mu) / tau over those who are loud: (n, e), rows of 0 where nobody is."""
    raised = np.where(loud, (np.nan_to_num(confidence) - mu) / tau, -np.inf)
    top = raised.max(axis=1, keepdims=True, initial=-np.inf)
    powers = np.exp(raised - np.where(np.isfinite(top), top, 0))
    total = powers.sum(axis=1, keepdims=True)
    return np.divide(powers, total, out=np.zeros_like(powers), where=total > 0)


def _mu(votes: Predictions, calibration: Calibration | None) -> Numbers | float:
    if calibration is None:
        return 0.0
    return np.array([calibration.experts[name].mu for name in votes.experts])


def _tau(calibration: Calibration | None, fusion: Fusion) -> float:
    if fusion.tau is not None:
        return fusion.tau
    return calibration.tau if calibration is not None else TAU
