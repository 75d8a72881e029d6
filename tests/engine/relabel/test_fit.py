"""Calibration on votes whose faults were planted."""

import numpy as np
import pytest

from engine.core.errors import UsageError
from engine.experts.mixture import Fusion, Predictions, fuse
from engine.relabel.admission import SamplingCurriculum
from engine.relabel.fit import Fitting, expert_figures, figures, fitted
from engine.relabel.output import balance

DIGESTS = dict.fromkeys("abc", "x")


def planted(count=900, seed=0):
    """Three experts with a line, a spread that is told three times too small, and one bad one."""
    draw = np.random.default_rng(seed)
    truth = draw.uniform(5, 95, count)
    spread = draw.uniform(2, 8, (count, 3)) * np.array([1.0, 1.3, 3.0])
    years = truth[:, None] * np.array([0.8, 1.0, 1.1]) + np.array([12.0, -6.0, 0.0])
    years = years + spread * draw.standard_normal((count, 3))
    confidence = np.clip(np.array([0.5, 0.6, 0.9]) - spread / 40, 0, 1)
    return Predictions(("a", "b", "c"), years, spread / 3, confidence), truth


@pytest.fixture(scope="module")
def fit():
    votes, truth = planted()
    return fitted(votes, truth, DIGESTS, "portraits", Fitting(), Fusion())


@pytest.fixture(scope="module")
def unseen():
    return planted(2000, seed=1)


def test_the_mixture_is_better_than_each_of_its_experts(fit, unseen):
    votes, truth = unseen
    told = fuse(votes, fit)
    alone = expert_figures(truth, votes, told)
    best = min(one["mae_corrected"] for one in alone.values())
    assert figures(truth, told)["mae"] < 0.95 * best


def test_an_expert_that_boasts_loses_its_weight(fit, unseen):
    votes, _ = unseen
    before, after = fuse(votes).weights.mean(axis=0), fuse(votes, fit).weights.mean(axis=0)
    assert before[2] > 0.5
    assert after[2] < 0.2


def test_lines_are_straightened(fit, unseen):
    votes, truth = unseen
    told = fuse(votes, fit)
    raw, line = votes.years[:, 0], told.ages[:, 0]
    assert np.mean(np.abs(line - truth)) < 0.8 * np.mean(np.abs(raw - truth))
    assert figures(truth, told)["bias"] == pytest.approx(0, abs=0.5)


def test_the_spread_is_honest_after_the_fit_and_not_before(fit, unseen):
    votes, truth = unseen
    before, after = figures(truth, fuse(votes)), figures(truth, fuse(votes, fit))
    assert after["ece"] < 0.05 < before["ece"]
    assert after["coverage_error"] < 0.03
    assert after["nll"] < before["nll"]


def test_the_limit_flags_about_as_many_right_labels_as_it_was_told_to(unseen):
    votes, truth = planted(3000, seed=2)
    fits = [
        fitted(votes, truth, DIGESTS, "portraits", Fitting(false_flags=share), Fusion())
        for share in (0.03, 0.2)
    ]
    seen, target = unseen
    told = [fuse(seen, fit) for fit in fits]
    away = [np.abs(target - one.age) / one.std for one in told]
    flagged = [np.mean(one > fit.mismatch) for one, fit in zip(away, fits, strict=True)]
    assert flagged == pytest.approx([0.03, 0.2], abs=0.02)


def test_a_temperature_that_is_given_is_kept():
    votes, truth = planted(200)
    fusion = Fusion(tau=0.7)
    fit = fitted(votes, truth, DIGESTS, "portraits", Fitting(), fusion)
    assert fit.tau == pytest.approx(0.7)


def test_the_same_faces_give_the_same_fit():
    votes, truth = planted(150)
    fits = [fitted(votes, truth, DIGESTS, "portraits", Fitting(), Fusion()) for _ in range(2)]
    assert fits[0] == fits[1]


def test_silence_does_not_spoil_a_fit():
    votes, truth = planted(300)
    years = votes.years.copy()
    years[::3, 0] = np.nan
    years[5] = np.nan
    gaps = Predictions(votes.experts, years, *(np.where(np.isnan(years), np.nan, part)
                                         for part in (votes.spread, votes.confidence)))  # fmt: skip
    fit = fitted(gaps, truth, DIGESTS, "portraits", Fitting(), Fusion())
    assert fit.faces == 299
    assert np.isfinite([fit.tau, fit.floor, fit.stretch, fit.mismatch]).all()


def test_too_few_faces_are_refused():
    votes, truth = planted(49)
    with pytest.raises(UsageError, match="49 faces of known age .* a fit takes 50"):
        fitted(votes, truth, DIGESTS, "portraits", Fitting(), Fusion())


def test_a_calibration_survives_a_file(fit):
    assert type(fit).model_validate(fit.dump()) == fit


def test_sure_faces_come_first_and_unsure_ones_later_or_never():
    plan = SamplingCurriculum()
    assert plan.joins_at(2.0) == 0
    assert plan.joins_at(8.1) is None
    middle = plan.joins_at(5.5)
    assert middle == pytest.approx(1 / 6, abs=1e-3)
    assert plan.joins_at(3.0) == 0 < plan.joins_at(3.1) < middle < plan.joins_at(8.0) <= 1 / 3


def test_reliability_is_weight_and_rare_ages_weigh_more():
    weights = SamplingCurriculum().weights([0.5, 0.5, 0.5, 0.5, 0.25], [5, 5, 5, 5, 9])
    assert weights.mean() == pytest.approx(1)
    assert weights[0] == weights[3]
    assert weights[4] == pytest.approx(weights[0] / 2 * 2)
    plain = SamplingCurriculum(balance=0).weights([0.5, 0.25], [5, 9])
    assert plain[0] == 2 * plain[1]


def test_balance_tells_even_from_one_sided():
    even, lone = balance([3] * 10), balance([30] + [0] * 9)
    assert even == {"entropy": 1.0, "gini": 0.0}
    assert lone["entropy"] == 0
    assert lone["gini"] == pytest.approx(0.9)
    assert balance([0, 0])["entropy"] is None
