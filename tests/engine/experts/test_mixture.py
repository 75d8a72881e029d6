"""The rule `w = softmax((c - mu) / tau)`, missing predictions, and the variance."""

import numpy as np
import pytest
import torch

from engine.core.errors import UsageError
from engine.experts.gating import fuse_by_gate
from engine.experts.mixture import (
    Calibration,
    ExpertCalibration,
    Fusion,
    Predictions,
    confidence_weights,
    fuse,
)
from engine.nets.age.gate import ORDER, AgeGate

NONE = float("nan")


def predictions(years, spread=2.0, confidence=0.5, experts=("a", "b", "c")):
    years = np.atleast_2d(np.asarray(years, float))
    missing = np.isnan(years)
    parts = [np.broadcast_to(part, years.shape).astype(float) for part in (spread, confidence)]
    return Predictions(experts, years, *(np.where(missing, NONE, part) for part in parts))


def calibration(**mu):
    experts = {name: ExpertCalibration(digest="x", mu=value) for name, value in mu.items()}
    return Calibration(domain="portraits", experts=experts)


def test_a_common_mu_cancels_and_one_per_expert_does_not():
    given = predictions([20, 30, 40], confidence=[0.2, 0.5, 0.6])
    plain = fuse(given).weights
    np.testing.assert_allclose(fuse(given, calibration(a=0.3, b=0.3, c=0.3)).weights, plain)
    own = fuse(given, calibration(a=0.2, b=0.5, c=0.6)).weights
    np.testing.assert_allclose(own, np.full((1, 3), 1 / 3))


def test_low_temperature_is_the_surest_expert_and_high_is_the_mean():
    given = predictions([20, 30, 40], confidence=[0.2, 0.5, 0.6])
    assert fuse(given, fusion=Fusion(tau=1e-3)).age == pytest.approx([40])
    assert fuse(given, fusion=Fusion(tau=1e6)).age == pytest.approx([30], abs=1e-3)


def test_the_weights_of_the_remaining_experts_sum_to_one():
    mixture = fuse(predictions([[20, NONE, 40], [NONE, NONE, 50]]))
    np.testing.assert_allclose(mixture.weights.sum(axis=1), 1)
    assert mixture.weights[0, 1] == 0
    np.testing.assert_allclose(mixture.age, [30, 50])
    assert list(mixture.present) == [2, 1]


def test_without_any_prediction_the_age_is_nan_and_never_zero():
    mixture = fuse(predictions([[NONE] * 3, [1, 2, 3]]))
    assert np.isnan(mixture.age[0])
    assert np.isnan(mixture.std[0])
    assert np.isnan(mixture.range[0])
    assert mixture.age[1] == pytest.approx(2)


def test_a_mixture_of_no_experts_has_no_ages():
    empty = np.zeros((2, 0))
    assert np.isnan(fuse(Predictions((), empty, empty, empty)).age).all()


def test_low_confidence_abstains():
    given = predictions([20, 30, 40], confidence=[0.1, 0.5, 0.5])
    assert fuse(given, fusion=Fusion(abstain_below=0.2)).age == pytest.approx([35])


def test_the_variance_is_between_plus_within():
    mixture = fuse(predictions([20, 30, 40], spread=[1, 2, 3], confidence=0.5))
    assert mixture.between == pytest.approx([200 / 3])
    assert mixture.within == pytest.approx([14 / 3])
    assert mixture.std == pytest.approx([np.sqrt(214 / 3)])
    assert mixture.range == pytest.approx([20])


def test_weights_do_not_overflow_at_any_temperature():
    confidence, active = np.array([[0.0, 1.0]]), np.array([[True, True]])
    np.testing.assert_allclose(confidence_weights(confidence, active, mu=0.0, tau=1e-9), [[0, 1]])


def test_the_spread_is_corrected_only_where_all_fitted_experts_predict():
    known = calibration(a=0, b=0, c=0).model_copy(update={"floor": 5.0, "stretch": 0.0})
    mixture = fuse(predictions([[30, 30, 30], [30, 30, NONE]]), known)
    assert mixture.std == pytest.approx([5, 2])


def gate_file(folder):
    torch.manual_seed(0)
    path = folder / "gate.pth"
    torch.save(AgeGate().state_dict(), path)
    return path


def test_the_learned_gate_has_216_parameters_under_the_published_names():
    gate = AgeGate()
    assert sum(p.numel() for p in gate.parameters()) == 216
    names = {"gating.weight", "expert_mlps.3.mlp.2.bias"}
    assert names <= set(gate.state_dict())


def test_the_gate_ignores_missing_predictions(tmp_path):
    fusion = Fusion(rule="gate", gate=str(gate_file(tmp_path)))
    kinds = {name: name for name in (*ORDER, "nano-age")}
    names = ("mivolo", "nano-age", "janus")
    mixture = fuse_by_gate(
        predictions([[30, 99, 50], [NONE, 99, 50], [NONE, 99, NONE]], experts=names), kinds, fusion
    )
    np.testing.assert_allclose(mixture.weights.sum(axis=1), [1, 1, 0], atol=1e-6)
    assert (mixture.weights[:, 1] == 0).all()
    assert mixture.weights[1, 2] == pytest.approx(1)
    assert np.isnan(mixture.age[2])


def test_a_gate_without_weights_is_refused():
    with pytest.raises(UsageError, match="needs `fusion.gate`"):
        fuse_by_gate(predictions([1, 2, 3]), {}, Fusion(rule="gate"))


def test_sums_over_all_faces_are_computed_once_however_many_rows_ask_for_them():
    mixture = fuse(predictions([[20.0, 30.0]]))
    assert mixture.range is mixture.range
    assert mixture.present is mixture.present
