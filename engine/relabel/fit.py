"""Calibrate a mixture of experts on faces of known age: bias, weights, spread, flag threshold."""

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
    ReliabilityBin,
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

MIN_FACES = 50
"""Faces of known age that a fit needs."""
MOST_BARS, FACES_PER_BAR = 10, 10
"""Bars of the diagram of spreads, and the faces that each needs."""
MAX_ITERATIONS = 200
SMOOTH = 1.0
"""Years below which the absolute error is smoothed, so that it has a gradient everywhere."""


class Fitting(Table):
    """How `--truth` is used."""

    validation_share: float = Field(default=0.3, gt=0, lt=1)
    """Share of the faces (of whole people, where they are known) that are held out from the fit;
    every metric and diagram is computed on them."""
    false_flags: float = Field(default=0.03, gt=0, lt=1)
    """Share of right labels that `label_mismatch` may flag."""


def fit_calibration(
    predictions: Predictions,
    truth: Numbers,
    digests: Mapping[str, str],
    domain: Domain,
    fitting: Fitting,
    fusion: Fusion,
    label_spread: Numbers | None = None,
) -> Calibration:
    """Fit everything on n faces with true ages (n,) in years; UsageError for too few faces.

    In order, each on the results of those before it: each expert's line (least squares) and spread
    (likelihood), mu and tau (absolute error), the mixture's spread (likelihood), the threshold of
    `label_mismatch` (a quantile of the errors in standard deviations).

    label_spread: known standard deviation (n,) of the true ages in years, which explains its part
    of the errors; none where they are exact.
    """
    predicted = np.flatnonzero(np.isfinite(predictions.years).any(axis=1))
    predictions, truth = predictions.of(predicted), truth[predicted]
    blur = np.zeros(len(truth)) if label_spread is None else label_spread[predicted]
    if len(predictions) < MIN_FACES:
        raise UsageError(
            f"{len(predictions)} faces of known age have predictions, a fit needs {MIN_FACES}",
            hint="give more ages with `--truth`: of them (of whole people, where they are known) "
            f"{fitting.validation_share:.0%} are held out",
        )
    experts = {
        name: _expert(predictions, index, truth, blur, digests[name])
        for index, name in enumerate(predictions.experts)
    }
    uncalibrated = Calibration(domain=domain, experts=experts)
    mu, tau = _fit_weights(predictions, truth, uncalibrated, fusion)
    experts = {
        name: one.model_copy(update={"mu": float(value)})
        for (name, one), value in zip(experts.items(), mu, strict=True)
    }
    weighted = uncalibrated.model_copy(update={"experts": experts, "tau": tau})
    rough = fuse(predictions, weighted, fusion)
    whole = rough.present == len(experts)
    floor, stretch = _fit_spread(rough.std[whole], (truth - rough.age)[whole], blur[whole])
    spread = weighted.model_copy(update={"floor": floor, "stretch": stretch})
    final = fuse(predictions, spread, fusion)
    deviations = np.abs(truth - final.age) / final.std
    return spread.model_copy(
        update={
            "mismatch": float(np.quantile(deviations, 1 - fitting.false_flags)),
            "false_flags": fitting.false_flags,
            "faces": len(predictions),
        }
    )


def mixture_metrics(truth: Numbers, mixture: Mixture) -> dict[str, Any]:
    """Metrics of fused ages against true ones (n,), and the points of the reliability diagrams."""
    age, std = mixture.age, mixture.std
    confidence, correct = probability_within(std), np.abs(age - truth) <= WITHIN
    bars = reliability_bins(confidence, correct)
    equal_bars = reliability_bins(confidence, correct, equal_counts=True)
    spreads = spread_bins(truth, age, std, bins=min(max(len(truth) // FACES_PER_BAR, 1), MOST_BARS))
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
        "ece_adaptive": expected_calibration_error(equal_bars),
        "coverage_error": coverage_error(truth, age, std),
        "spread_error": expected_calibration_error(spreads),
        "bias_by_decade": _by_decade(truth, age),
        "confidence": _points(bars),
        "coverage": [
            {"level": level, "share": share} for level, share in coverage(truth, age, std)
        ],
        "spread": _points(spreads),
    }


def expert_metrics(
    truth: Numbers, predictions: Predictions, mixture: Mixture
) -> dict[str, dict[str, Any]]:
    """Metrics of each expert alone, before and after the correction by its line."""
    metrics: dict[str, dict[str, Any]] = {}
    for index, name in enumerate(predictions.experts):
        known = np.isfinite(predictions.years[:, index])
        if not known.any():
            metrics[name] = {"answered": 0.0, "mae": None, "why_null": "it predicted nothing"}
            continue
        raw, line = predictions.years[known, index], mixture.ages[known, index]
        metrics[name] = {
            "answered": float(known.mean()),
            "mae": mae(truth[known], raw),
            "bias": bias(truth[known], raw),
            "mae_corrected": mae(truth[known], np.where(np.isfinite(line), line, raw)),
            "weight": float(mixture.weights[known, index].mean()),
        }
    return metrics


def _expert(
    predictions: Predictions, index: int, truth: Numbers, blur: Numbers, digest: str
) -> ExpertCalibration:
    known = np.isfinite(predictions.years[:, index])
    if known.sum() < MIN_FACES:
        return ExpertCalibration(digest=digest)
    years = predictions.years[known, index]
    slope, shift = np.polyfit(years, truth[known], 1)
    if slope <= 0:  # no information: better no line than one that inverts the order
        slope, shift = 1.0, float(np.mean(truth[known] - years))
    error = truth[known] - (slope * years + shift)
    floor, stretch = _fit_spread(predictions.spread[known, index], error, blur[known])
    return ExpertCalibration(
        digest=digest, slope=float(slope), shift=float(shift), floor=floor, stretch=stretch
    )


def _fit_weights(
    predictions: Predictions, truth: Numbers, calibration: Calibration, fusion: Fusion
) -> tuple[Numbers, float]:
    """Each expert's mu and the common tau with the least absolute error."""
    ages, _ = corrected(predictions, calibration)
    active = np.isfinite(ages) & (predictions.confidence >= fusion.abstain_below)
    rows = active.any(axis=1)
    known, target, confidence, mask = (
        torch.from_numpy(np.nan_to_num(part[rows]).astype(np.float64))
        for part in (ages, truth, predictions.confidence, active)
    )
    if fusion.tau is not None:
        tau = torch.tensor(float(np.log(fusion.tau)), dtype=torch.float64)
    else:
        tau = torch.tensor(float(np.log(TAU)), dtype=torch.float64, requires_grad=True)
    start = (confidence * mask).sum(0) / mask.sum(0).clamp(min=1)
    mu = start.clone().requires_grad_()

    def loss() -> Tensor:
        logits = ((confidence - mu) / tau.clamp(-7, 7).exp()).masked_fill(mask == 0, -torch.inf)
        error = (logits.softmax(dim=1) * known).sum(dim=1) - target
        absolute = (error.square() + SMOOTH**2).sqrt().mean()
        return absolute + 1e-3 * (mu - start).square().sum() + 1e-3 * (tau - np.log(TAU)) ** 2

    _minimise(loss, [one for one in (mu, tau) if one.requires_grad])
    return mu.detach().numpy(), float(tau.detach().clamp(-7, 7).exp())


def _fit_spread(predicted: Numbers, error: Numbers, blur: Numbers) -> tuple[float, float]:
    """Floor and stretch of a predicted spread (n,) by maximum likelihood of the errors (n,).

    blur: standard deviation (n,) of the labels themselves.
    """
    spread, miss = torch.from_numpy(predicted.copy()), torch.from_numpy(error.copy())
    known = torch.from_numpy(blur.copy()).square()
    size = max(float(np.sqrt(np.mean(error**2))), 0.1)
    level = max(float(np.sqrt(np.mean(predicted**2))), 1e-3)
    logs = torch.tensor([np.log(0.5 * size), np.log(0.8 * size / level)], dtype=torch.float64)
    logs.requires_grad_()

    def loss() -> Tensor:
        floor, stretch = logs.clamp(-7, 7).exp()
        variance = floor**2 + (stretch * spread).square() + known
        return (miss.square() / variance + variance.log()).mean() / 2 + 1e-4 * logs.square().sum()

    _minimise(loss, [logs])
    floor, stretch = logs.detach().clamp(-7, 7).exp().tolist()
    return floor, stretch


def _minimise(loss: Callable[[], Tensor], parameters: Sequence[Tensor]) -> None:
    """Move the parameters to a minimum of the loss (L-BFGS)."""
    optimizer = torch.optim.LBFGS(
        list(parameters),
        max_iter=MAX_ITERATIONS,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-9,
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)


def _points(bars: Sequence[ReliabilityBin]) -> list[dict[str, float]]:
    return [
        {"predicted": predicted, "observed": observed, "faces": faces}
        for predicted, observed, faces in bars
    ]


def _by_decade(truth: Numbers, age: Numbers) -> list[dict[str, float]]:
    decades = np.floor(truth / 10) * 10
    return [
        {
            "from": float(low),
            "bias": float(np.mean(age[here] - truth[here])),
            "mae": float(np.mean(np.abs(age[here] - truth[here]))),
            "faces": int(here.sum()),
        }
        for low in np.unique(decades)
        for here in (decades == low,)
    ]
