"""The rule `w = softmax((c - mu) / tau)`, what it does to the silent, and what it says of doubt."""

import numpy as np
import pytest
import torch

from engine.core.errors import UsageError
from engine.experts.gating import gated
from engine.experts.mixture import (
    Calibration,
    ExpertCalibration,
    Fusion,
    Predictions,
    confidence_weights,
    fuse,
)
from engine.nets.age.gate import ORDER, AgeGate

NOBODY = float("nan")


def votes(years, spread=2.0, confidence=0.5, experts=("a", "b", "c")):
    years = np.atleast_2d(np.asarray(years, float))
    silent = np.isnan(years)
    parts = [np.broadcast_to(part, years.shape).astype(float) for part in (spread, confidence)]
    return Predictions(experts, years, *(np.where(silent, NOBODY, part) for part in parts))


def calibration(**mu):
    experts = {name: ExpertCalibration(digest="x", mu=value) for name, value in mu.items()}
    return Calibration(domain="portraits", experts=experts)


def test_one_mu_for_everybody_changes_nothing_and_one_of_their_own_does():
    told = votes([20, 30, 40], confidence=[0.2, 0.5, 0.6])
    plain = fuse(told).weights
    np.testing.assert_allclose(fuse(told, calibration(a=0.3, b=0.3, c=0.3)).weights, plain)
    own = fuse(told, calibration(a=0.2, b=0.5, c=0.6)).weights
    np.testing.assert_allclose(own, np.full((1, 3), 1 / 3))


def test_a_cold_mixture_is_the_surest_expert_and_a_hot_one_is_the_mean():
    told = votes([20, 30, 40], confidence=[0.2, 0.5, 0.6])
    assert fuse(told, fusion=Fusion(tau=1e-3)).age == pytest.approx([40])
    assert fuse(told, fusion=Fusion(tau=1e6)).age == pytest.approx([30], abs=1e-3)


def test_the_weights_of_who_is_left_sum_to_one():
    told = fuse(votes([[20, NOBODY, 40], [NOBODY, NOBODY, 50]]))
    np.testing.assert_allclose(told.weights.sum(axis=1), 1)
    assert told.weights[0, 1] == 0
    np.testing.assert_allclose(told.age, [30, 50])
    assert list(told.present) == [2, 1]


def test_where_everybody_is_silent_there_is_no_age_and_never_zero():
    told = fuse(votes([[NOBODY] * 3, [1, 2, 3]]))
    assert np.isnan(told.age[0])
    assert np.isnan(told.std[0])
    assert np.isnan(told.furthest[0])
    assert told.age[1] == pytest.approx(2)


def test_a_mixture_of_nobody_has_no_ages():
    empty = np.zeros((2, 0))
    assert np.isnan(fuse(Predictions((), empty, empty, empty)).age).all()


def test_who_is_too_unsure_abstains():
    told = votes([20, 30, 40], confidence=[0.1, 0.5, 0.5])
    assert fuse(told, fusion=Fusion(abstain_below=0.2)).age == pytest.approx([35])


def test_the_variance_is_that_between_the_votes_and_that_within_them():
    told = fuse(votes([20, 30, 40], spread=[1, 2, 3], confidence=0.5))
    assert told.between == pytest.approx([200 / 3])
    assert told.within == pytest.approx([14 / 3])
    assert told.std == pytest.approx([np.sqrt(214 / 3)])
    assert told.furthest == pytest.approx([20])


def test_weights_do_not_overflow_at_any_temperature():
    sure, loud = np.array([[0.0, 1.0]]), np.array([[True, True]])
    np.testing.assert_allclose(confidence_weights(sure, loud, mu=0.0, tau=1e-9), [[0, 1]])


def test_the_spread_is_only_corrected_where_all_the_fitted_experts_speak():
    known = calibration(a=0, b=0, c=0).model_copy(update={"floor": 5.0, "stretch": 0.0})
    told = fuse(votes([[30, 30, 30], [30, 30, NOBODY]]), known)
    assert told.std == pytest.approx([5, 2])


def gate_file(folder):
    torch.manual_seed(0)
    path = folder / "gate.pth"
    torch.save(AgeGate().state_dict(), path)
    return path


def test_the_learned_gate_has_216_parameters_under_the_published_names():
    gate = AgeGate()
    assert sum(p.numel() for p in gate.parameters()) == 216  # `specs/agetransformer.md` 2.2
    names = {"gating.weight", "expert_mlps.3.mlp.2.bias"}
    assert names <= set(gate.state_dict())


def test_the_gate_ignores_the_silent_and_is_silent_when_all_are(tmp_path):
    fusion = Fusion(rule="gate", gate=str(gate_file(tmp_path)))
    kinds = {name: name for name in (*ORDER, "nano-age")}
    names = ("mivolo", "nano-age", "janus")
    told = gated(
        votes([[30, 99, 50], [NOBODY, 99, 50], [NOBODY, 99, NOBODY]], experts=names), kinds, fusion
    )
    np.testing.assert_allclose(told.weights.sum(axis=1), [1, 1, 0], atol=1e-6)
    assert (told.weights[:, 1] == 0).all()
    assert told.weights[1, 2] == pytest.approx(1)
    assert np.isnan(told.age[2])


def test_a_gate_without_weights_is_refused():
    with pytest.raises(UsageError, match="needs `fusion.gate`"):
        gated(votes([1, 2, 3]), {}, Fusion(rule="gate"))
