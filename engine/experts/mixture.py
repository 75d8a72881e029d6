"""One age from the predictions of several experts: weighted by confidence, with its variance.

`w_i = softmax((c_i - mu_i) / tau)` over the experts with a prediction, `age = sum_i w_i a_i`. A mu
common to all cancels in the softmax, so `mu` is each expert's own: the confidence at which it
weighs as much as the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
    """Predictions of e experts for n faces: years, spread, confidence, each (n, e); NaN: none."""

    experts: tuple[str, ...]
    years: Numbers
    spread: Numbers
    confidence: Numbers

    def __len__(self) -> int:
        return len(self.years)

    def of(self, rows: Sequence[int] | NDArray[np.integer] | NDArray[np.bool_]) -> Self:
        """The predictions for some of the faces."""
        parts = (self.years[rows], self.spread[rows], self.confidence[rows])
        return type(self)(self.experts, *parts)

    def only(self, experts: Sequence[str]) -> Self:
        """The predictions of some of the experts, in that order."""
        at = [self.experts.index(name) for name in experts]
        parts = (self.years[:, at], self.spread[:, at], self.confidence[:, at])
        return type(self)(tuple(experts), *parts)


class ExpertCalibration(Table):
    """Correction of one expert, fitted on faces of known age."""

    digest: str
    """Digest of the weights it was fitted for."""
    slope: float = 1.0
    shift: float = 0.0
    """Corrected age = slope x age + shift, in years."""
    mu: float = 0.0
    """Confidence at which it weighs as much as the others."""
    stretch: float = Field(default=1.0, ge=0)
    floor: float = Field(default=0.0, ge=0)
    """Corrected spread = sqrt(floor^2 + (stretch x spread)^2), in years."""


class Calibration(Table):
    """The fit of `--truth`; without one nothing is corrected and every mu is 0."""

    schema_version: int = 1
    domain: Domain
    experts: Mapping[str, ExpertCalibration]
    tau: float = Field(default=TAU, gt=0)
    stretch: float = Field(default=1.0, ge=0)
    floor: float = Field(default=0.0, ge=0)
    """Of the mixture of all experts; corrected spread = sqrt(floor^2 + (stretch x spread)^2)."""
    mismatch: float = Field(default=2.0, gt=0)
    """Standard deviations from the mixture's age from which a label counts as wrong."""
    false_flags: float | None = None
    """The share of right labels that `mismatch` was fitted to flag."""
    faces: int | None = None
    """Number of faces it was fitted on."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """The fused ages of n faces; NaN where no expert has a prediction.

    age, between, within (both variances in years^2), std: (n,); weights, ages (each expert's,
    corrected): (n, e), weight 0 and age NaN without a prediction.
    """

    age: Numbers
    std: Numbers
    between: Numbers
    within: Numbers
    weights: Numbers
    ages: Numbers

    @cached_property
    def present(self) -> NDArray[np.int64]:
        """Number of experts with a prediction (n,)."""
        return np.isfinite(self.ages).sum(axis=1)

    @cached_property
    def range(self) -> Numbers:
        """Years between the oldest and the youngest prediction (n,)."""
        known = np.isfinite(self.ages)
        high = np.where(known, self.ages, -np.inf).max(axis=1, initial=-np.inf)
        low = np.where(known, self.ages, np.inf).min(axis=1, initial=np.inf)
        return np.subtract(high, low, out=np.full_like(high, np.nan), where=known.any(axis=1))


class Fusion(Table):
    """How predictions become one age."""

    rule: Literal["confidence", "gate"] = "confidence"
    """`gate` is the learned one of four experts (`gate` names its weights)."""
    tau: float | None = Field(default=None, gt=0)
    """Temperature of the weights; the calibration's, or 0.1, where it is not given."""
    abstain_below: float = Field(default=0.0, ge=0, le=1)
    """Predictions of lower confidence are ignored."""
    gate: str | None = None
    """Weights of the learned gate, by name or file."""


def fuse(
    predictions: Predictions, calibration: Calibration | None = None, fusion: Fusion | None = None
) -> Mixture:
    """Weigh the predictions by confidence; missing ones have no weight."""
    fusion = Fusion() if fusion is None else fusion
    ages, spread = corrected(predictions, calibration)
    active = np.isfinite(ages) & (predictions.confidence >= fusion.abstain_below)
    ages = np.where(active, ages, np.nan)
    weights = confidence_weights(
        predictions.confidence,
        active,
        mu=_mu(predictions, calibration),
        tau=_tau(calibration, fusion),
    )
    return mix(ages, spread, weights, calibration)


def mix(
    ages: Numbers, spread: Numbers, weights: Numbers, calibration: Calibration | None = None
) -> Mixture:
    """The mixture of predictions (n, e) with weights (n, e) that sum to 1, or to 0 without any.

    Its variance is the sum of that between the predictions and that within them; `calibration`
    corrects it where all of its experts have a prediction.
    """
    fused = weights.sum(axis=1) > 0
    known = np.nan_to_num(ages)
    age = np.where(fused, (weights * known).sum(axis=1), np.nan)
    between = np.where(fused, (weights * (known - age[:, None]) ** 2).sum(axis=1), np.nan)
    within = np.where(fused, (weights * np.nan_to_num(spread) ** 2).sum(axis=1), np.nan)
    std = np.sqrt(between + within)
    if calibration is not None:
        complete = np.isfinite(ages).sum(axis=1) == len(calibration.experts)
        std = np.where(complete, np.hypot(calibration.floor, calibration.stretch * std), std)
    return Mixture(np.clip(age, 0, None), std, between, within, weights, ages)


def corrected(predictions: Predictions, calibration: Calibration | None) -> tuple[Numbers, Numbers]:
    """Ages and spreads (n, e) after each expert's own correction."""
    if calibration is None:
        return predictions.years, predictions.spread
    each = [calibration.experts[name] for name in predictions.experts]
    slope, shift, stretch, floor = (
        np.array([getattr(one, what) for one in each])
        for what in ("slope", "shift", "stretch", "floor")
    )
    ages = np.clip(slope * predictions.years + shift, 0, OLDEST + 20)
    return ages, np.hypot(floor, stretch * predictions.spread)


def confidence_weights(
    confidence: Numbers, active: NDArray[np.bool_], *, mu: Numbers | float, tau: float
) -> Numbers:
    """Softmax of (c - mu) / tau over the active experts: (n, e), rows of 0 without any."""
    logits = np.where(active, (np.nan_to_num(confidence) - mu) / tau, -np.inf)
    top = logits.max(axis=1, keepdims=True, initial=-np.inf)
    powers = np.exp(logits - np.where(np.isfinite(top), top, 0))
    total = powers.sum(axis=1, keepdims=True)
    return np.divide(powers, total, out=np.zeros_like(powers), where=total > 0)


def _mu(predictions: Predictions, calibration: Calibration | None) -> Numbers | float:
    if calibration is None:
        return 0.0
    return np.array([calibration.experts[name].mu for name in predictions.experts])


def _tau(calibration: Calibration | None, fusion: Fusion) -> float:
    if fusion.tau is not None:
        return fusion.tau
    return calibration.tau if calibration is not None else TAU
