"""Calibration on predictions with planted errors."""

import numpy as np
import pytest

from engine.core.errors import UsageError
from engine.experts.mixture import Fusion, Predictions, fuse
from engine.relabel.fit import Fitting, expert_metrics, fit_calibration, mixture_metrics
from engine.relabel.output import balance
from engine.relabel.sampling import Sampling

DIGESTS = dict.fromkeys("abc", "x")


def planted(count=900, seed=0):
    """Three experts with a linear bias and a spread three times too small, one of them bad."""
    draw = np.random.default_rng(seed)
    truth = draw.uniform(5, 95, count)
    spread = draw.uniform(2, 8, (count, 3)) * np.array([1.0, 1.3, 3.0])
    years = truth[:, None] * np.array([0.8, 1.0, 1.1]) + np.array([12.0, -6.0, 0.0])
    years = years + spread * draw.standard_normal((count, 3))
    confidence = np.clip(np.array([0.5, 0.6, 0.9]) - spread / 40, 0, 1)
    return Predictions(("a", "b", "c"), years, spread / 3, confidence), truth


@pytest.fixture(scope="module")
def fit():
    predictions, truth = planted()
    return fit_calibration(predictions, truth, DIGESTS, "portraits", Fitting(), Fusion())


@pytest.fixture(scope="module")
def unseen():
    return planted(2000, seed=1)


def test_the_mixture_is_better_than_each_of_its_experts(fit, unseen):
    predictions, truth = unseen
    mixture = fuse(predictions, fit)
    alone = expert_metrics(truth, predictions, mixture)
    best = min(one["mae_corrected"] for one in alone.values())
    assert mixture_metrics(truth, mixture)["mae"] < 0.95 * best


def test_an_overconfident_expert_loses_its_weight(fit, unseen):
    predictions, _ = unseen
    before, after = (
        fuse(predictions).weights.mean(axis=0),
        fuse(predictions, fit).weights.mean(axis=0),
    )
    assert before[2] > 0.5
    assert after[2] < 0.2


def test_linear_bias_is_corrected(fit, unseen):
    predictions, truth = unseen
    mixture = fuse(predictions, fit)
    raw, line = predictions.years[:, 0], mixture.ages[:, 0]
    assert np.mean(np.abs(line - truth)) < 0.8 * np.mean(np.abs(raw - truth))
    assert mixture_metrics(truth, mixture)["bias"] == pytest.approx(0, abs=0.5)


def test_the_spread_is_calibrated_after_the_fit_and_not_before(fit, unseen):
    predictions, truth = unseen
    before, after = (
        mixture_metrics(truth, fuse(predictions)),
        mixture_metrics(truth, fuse(predictions, fit)),
    )
    assert after["ece"] < 0.05 < before["ece"]
    assert after["coverage_error"] < 0.03
    assert after["nll"] < before["nll"]


def test_the_threshold_flags_the_given_share_of_right_labels(unseen):
    predictions, truth = planted(3000, seed=2)
    fits = [
        fit_calibration(
            predictions, truth, DIGESTS, "portraits", Fitting(false_flags=share), Fusion()
        )
        for share in (0.03, 0.2)
    ]
    new, target = unseen
    mixtures = [fuse(new, fit) for fit in fits]
    deviations = [np.abs(target - one.age) / one.std for one in mixtures]
    flagged = [np.mean(one > fit.mismatch) for one, fit in zip(deviations, fits, strict=True)]
    assert flagged == pytest.approx([0.03, 0.2], abs=0.02)


def test_a_temperature_that_is_given_is_kept():
    predictions, truth = planted(200)
    fusion = Fusion(tau=0.7)
    fit = fit_calibration(predictions, truth, DIGESTS, "portraits", Fitting(), fusion)
    assert fit.tau == pytest.approx(0.7)


def test_the_same_faces_give_the_same_fit():
    predictions, truth = planted(150)
    fits = [
        fit_calibration(predictions, truth, DIGESTS, "portraits", Fitting(), Fusion())
        for _ in range(2)
    ]
    assert fits[0] == fits[1]


def test_missing_predictions_do_not_break_a_fit():
    predictions, truth = planted(300)
    years = predictions.years.copy()
    years[::3, 0] = np.nan
    years[5] = np.nan
    spread, confidence = (
        np.where(np.isnan(years), np.nan, part)
        for part in (predictions.spread, predictions.confidence)
    )
    gaps = Predictions(predictions.experts, years, spread, confidence)
    fit = fit_calibration(gaps, truth, DIGESTS, "portraits", Fitting(), Fusion())
    assert fit.faces == 299
    assert np.isfinite([fit.tau, fit.floor, fit.stretch, fit.mismatch]).all()


def test_too_few_faces_are_refused():
    predictions, truth = planted(49)
    with pytest.raises(UsageError, match="49 faces of known age .* a fit needs 50"):
        fit_calibration(predictions, truth, DIGESTS, "portraits", Fitting(), Fusion())


def test_a_calibration_survives_a_file(fit):
    assert type(fit).model_validate(fit.dump()) == fit


def test_sampling_weights_follow_reliability_and_rarity():
    weights = Sampling().weights([0.5, 0.5, 0.5, 0.5, 0.25], [5, 5, 5, 5, 9])
    assert weights.mean() == pytest.approx(1)
    assert weights[0] == weights[3]
    assert weights[4] == pytest.approx(weights[0] / 2 * 2)
    plain = Sampling(balance=0).weights([0.5, 0.25], [5, 9])
    assert plain[0] == 2 * plain[1]


def test_balance_of_even_and_one_sided_groups():
    even, lone = balance([3] * 10), balance([30] + [0] * 9)
    assert even == {"entropy": 1.0, "gini": 0.0}
    assert lone["entropy"] == 0
    assert lone["gini"] == pytest.approx(0.9)
    assert balance([0, 0])["entropy"] is None


def test_the_known_error_of_labels_is_not_laid_on_the_experts():
    """Ages of spread 4, labels 3 years off beside: the spread that is fitted is about 4, not 5."""
    draw = np.random.default_rng(5)
    truth = draw.uniform(30, 80, 2000)
    seen = truth + draw.normal(0, 4, 2000)
    labels = truth + draw.normal(0, 3, 2000)
    predictions = Predictions(
        ("one",), seen[:, None], np.full((2000, 1), 4.0), np.full((2000, 1), 0.5)
    )
    spreads = []
    for blur in (None, np.full(2000, 3.0)):
        fit = fit_calibration(
            predictions, labels, {"one": "x"}, "photos", Fitting(), Fusion(), label_spread=blur
        )
        spreads.append(float(np.mean(fuse(predictions, fit).std)))
    assert spreads[0] == pytest.approx(4.9, abs=0.2)
    assert spreads[1] == pytest.approx(3.9, abs=0.2)
