"""Fit a mixture of experts on faces of known age: bias, weights, spread, and the flag's limit."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from engine.core.errors import UsageError
from engine.core.table import Table
from engine.data.domains import Domain
from engine.experts.mixture import (
    TAU,
    Calibration,
    ExpertCalibration,
    Fusion,
    Mixture,
    Numbers,
    Predictions,
    corrected,
    fuse,
)
from engine.metrics.age import bias, mae
from engine.metrics.age_calibration import (
    WITHIN,
    coverage,
    coverage_error,
    crps,
    cumulative_score,
    expected_calibration_error,
    negative_log_likelihood,
    probability_within,
    reliability_bins,
    rmse,
    spread_bins,
    wasserstein,
)

FEWEST = 50
"""Faces of known age that a fit takes at least."""
BARS, A_BAR = 10, 10
"""Points of the diagram of spreads, and faces that one of them takes at least."""
ROUNDS = 200
SMOOTH = 1.0
"""Years below which an absolute error is rounded off, so that it has a slope everywhere."""


class Fitting(Table):
    """How `--truth` is used."""

    check: float = Field(default=0.3, gt=0, lt=1)
    """Share of the faces (of whole people, where they are known) that the fit never sees, and that
    every figure and diagram is about."""
    false_flags: float = Field(default=0.03, gt=0, lt=1)
    """Share of right labels that `label_mismatch` may flag."""


def fitted(
    votes: Predictions,
    truth: Numbers,
    digests: Mapping[str, str],
    domain: Domain,
    fitting: Fitting,
    fusion: Fusion,
) -> Calibration:
    """Fit everything on n faces with true ages (n,) in years; UsageError for too few faces.

    In order, each on what stands before it: each expert's line (least squares) and spread
    (likelihood), mu and tau (absolute error), the mixture's spread (likelihood), the limit of
    `label_mismatch` (the quantile that right labels stay below).
    """
    answered = np.flatnonzero(np.isfinite(votes.years).any(axis=1))
    votes, truth = votes.of(answered), truth[answered]
    if len(votes) < FEWEST:
        raise UsageError(
            f"{len(votes)} faces of known age were answered for, a fit takes {FEWEST}",
            hint="give more ages with `--truth`: of them (of whole people, where they are known) "
            f"{fitting.check:.0%} only check the fit",
        )
    experts = {
        name: _expert(votes, index, truth, digests[name])
        for index, name in enumerate(votes.experts)
    }
    alone = Calibration(domain=domain, experts=experts)
    mu, tau = _weighing(votes, truth, alone, fusion)
    experts = {
        name: one.model_copy(update={"mu": float(value)})
        for (name, one), value in zip(experts.items(), mu, strict=True)
    }
    weighed = alone.model_copy(update={"experts": experts, "tau": tau})
    rough = fuse(votes, weighed, fusion)
    whole = rough.present == len(experts)
    floor, stretch = _spread(rough.std[whole], (truth - rough.age)[whole])
    spread = weighed.model_copy(update={"floor": floor, "stretch": stretch})
    final = fuse(votes, spread, fusion)
    away = np.abs(truth - final.age) / final.std
    return spread.model_copy(
        update={
            "mismatch": float(np.quantile(away, 1 - fitting.false_flags)),
            "false_flags": fitting.false_flags,
            "faces": len(votes),
        }
    )


def figures(truth: Numbers, told: Mixture) -> dict[str, Any]:
    """Every figure of fused ages against true ones (n,), and the points of their diagrams."""
    age, std = told.age, told.std
    sure, right = probability_within(std), np.abs(age - truth) <= WITHIN
    bars, even = reliability_bins(sure, right), reliability_bins(sure, right, equal_counts=True)
    spreads = spread_bins(truth, age, std, bins=_bars(len(truth)))
    return {
        "faces": len(truth),
        "mae": mae(truth, age),
        "rmse": rmse(truth, age),
        "bias": bias(truth, age),
        **{f"cs{years}": cumulative_score(truth, age, years) for years in (1, 3, 5, 10)},
        "emd": wasserstein(truth, age),
        "nll": negative_log_likelihood(truth, age, std),
        "crps": crps(truth, age, std),
        "ece": expected_calibration_error(bars),
        "ece_adaptive": expected_calibration_error(even),
        "coverage_error": coverage_error(truth, age, std),
        "spread_error": expected_calibration_error(spreads),
        "bias_by_decade": _by_decade(truth, age),
        "confidence": [bar._asdict() for bar in bars],
        "coverage": [
            {"level": level, "share": share} for level, share in coverage(truth, age, std)
        ],
        "spread": [bar._asdict() for bar in spreads],
    }


def expert_figures(truth: Numbers, votes: Predictions, told: Mixture) -> dict[str, dict[str, Any]]:
    """Each expert by itself, as it answered and after its line was fitted."""
    found: dict[str, dict[str, Any]] = {}
    for index, name in enumerate(votes.experts):
        known = np.isfinite(votes.years[:, index])
        if not known.any():
            found[name] = {"answered": 0.0, "mae": None, "why_null": "it answered nothing"}
            continue
        raw, line = votes.years[known, index], told.ages[known, index]
        found[name] = {
            "answered": float(known.mean()),
            "mae": mae(truth[known], raw),
            "bias": bias(truth[known], raw),
            "mae_corrected": mae(truth[known], np.where(np.isfinite(line), line, raw)),
            "weight": float(told.weights[known, index].mean()),
        }
    return found


def _expert(votes: Predictions, index: int, truth: Numbers, digest: str) -> ExpertCalibration:
    known = np.isfinite(votes.years[:, index])
    if known.sum() < FEWEST:
        return ExpertCalibration(digest=digest)
    told = votes.years[known, index]
    slope, shift = np.polyfit(told, truth[known], 1)
    if slope <= 0:  # its ages say nothing: better no line than one that turns them round
        slope, shift = 1.0, float(np.mean(truth[known] - told))
    error = truth[known] - (slope * told + shift)
    floor, stretch = _spread(votes.spread[known, index], error)
    return ExpertCalibration(
        digest=digest, slope=float(slope), shift=float(shift), floor=floor, stretch=stretch
    )


def _weighing(
    votes: Predictions, truth: Numbers, alone: Calibration, fusion: Fusion
) -> tuple[Numbers, float]:
    """Each expert's mu and the common tau with the least absolute error."""
    ages, _ = corrected(votes, alone)
    loud = np.isfinite(ages) & (votes.confidence >= fusion.abstain_below)
    some = loud.any(axis=1)
    known, target, sure, on = (
        torch.from_numpy(np.nan_to_num(part[some]).astype(np.float64))
        for part in (ages, truth, votes.confidence, loud)
    )
    if fusion.tau is not None:
        tau = torch.tensor(float(np.log(fusion.tau)), dtype=torch.float64)
    else:
        tau = torch.tensor(float(np.log(TAU)), dtype=torch.float64, requires_grad=True)
    # A mean that everybody shares cancels, so that the first expert's may stand still.
    start = (sure * on).sum(0) / on.sum(0).clamp(min=1)
    mu = start.clone().requires_grad_()

    def loss() -> Tensor:
        raised = ((sure - mu) / tau.clamp(-7, 7).exp()).masked_fill(on == 0, -torch.inf)
        error = (raised.softmax(dim=1) * known).sum(dim=1) - target
        absolute = (error.square() + SMOOTH**2).sqrt().mean()
        return absolute + 1e-3 * (mu - start).square().sum() + 1e-3 * (tau - np.log(TAU)) ** 2

    _least(loss, [part for part in (mu, tau) if part.requires_grad])
    return mu.detach().numpy(), float(tau.detach().clamp(-7, 7).exp())


def _spread(told: Numbers, error: Numbers) -> tuple[float, float]:
    """Floor and stretch of a told spread (n,) with the greatest likelihood of errors (n,)."""
    spread, miss = torch.from_numpy(told.copy()), torch.from_numpy(error.copy())
    size = max(float(np.sqrt(np.mean(error**2))), 0.1)
    level = max(float(np.sqrt(np.mean(told**2))), 1e-3)
    logs = torch.tensor([np.log(0.5 * size), np.log(0.8 * size / level)], dtype=torch.float64)
    logs.requires_grad_()

    def loss() -> Tensor:
        floor, stretch = logs.clamp(-7, 7).exp()
        variance = floor**2 + (stretch * spread).square()
        return (miss.square() / variance + variance.log()).mean() / 2 + 1e-4 * logs.square().sum()

    _least(loss, [logs])
    floor, stretch = logs.detach().clamp(-7, 7).exp().tolist()
    return floor, stretch


def _least(loss: Callable[[], Tensor], parts: Sequence[Tensor]) -> None:
    """Move the parts to where the loss is least (L-BFGS)."""
    descent = torch.optim.LBFGS(
        list(parts), max_iter=ROUNDS, line_search_fn="strong_wolfe", tolerance_grad=1e-9
    )

    def closure() -> Tensor:
        descent.zero_grad()
        value = loss()
        value.backward()
        return value

    descent.step(closure)


def _bars(faces: int) -> int:
    return min(max(faces // A_BAR, 1), BARS)


def _by_decade(truth: Numbers, told: Numbers) -> list[dict[str, float]]:
    decades = np.floor(truth / 10) * 10
    return [
        {
            "from": float(low),
            "bias": float(np.mean(told[here] - truth[here])),
            "mae": float(np.mean(np.abs(told[here] - truth[here]))),
            "faces": int(here.sum()),
        }
        for low in np.unique(decades)
        for here in (decades == low,)
    ]
