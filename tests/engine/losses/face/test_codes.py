"""Losses on codes against values worked out by hand."""

from dataclasses import replace

import pytest
import torch

from engine.banks.anchors import age_anchors
from engine.core.errors import RecipeError
from engine.losses.face.adaptive_w_norm import AdaptiveWNorm
from engine.losses.face.age_anchor import AgeAnchor
from engine.losses.face.base import check
from engine.losses.face.w_norm import WNorm


def test_w_norm_is_the_mean_frobenius_norm_to_the_latent_average(make):
    trial = make()
    codes = trial.latent_average.expand(4, -1, -1).clone()
    codes[0] += 2.0  # 3 styles of 5: a norm of 2 sqrt 15
    value, _ = WNorm(weight=1).value(replace(trial, w_plus=codes, memo={}))
    assert value == pytest.approx(2 * 15**0.5 / 4)


def test_codes_on_the_latent_average_cost_nothing_and_break_no_gradient(make):
    trial = make()
    codes = trial.latent_average.expand(4, -1, -1).clone().requires_grad_()
    value, _ = WNorm(weight=1).value(replace(trial, w_plus=codes, memo={}))
    value.backward()
    assert value == 0
    assert codes.grad.isfinite().all()


@pytest.mark.parametrize(("years", "pull"), [(0, 0.0), (30, 0.103), (100, 0.5)])
def test_the_pull_towards_the_prior_grows_with_the_distance_of_age(make, years, pull):
    trial = make(
        source_age=torch.zeros(4),
        target_age=torch.full((4,), float(years)),
    )
    away = torch.zeros_like(trial.w_prior)
    away[:, 0, 0] = 2.0
    trial = replace(trial, w_plus=trial.w_prior + away, memo={})
    value, told = AdaptiveWNorm(weight=1, strength=7).value(trial)
    assert value == pytest.approx(2 * 7 * pull, abs=2e-3)
    assert told["distance"] == pytest.approx(2.0)


def test_the_pull_is_towards_the_prior_and_not_towards_the_average(make):
    trial = make()
    still = replace(trial, w_plus=trial.w_prior, memo={})
    assert AdaptiveWNorm(weight=1).value(still)[0] == 0
    assert WNorm(weight=1).value(still)[0] > 1


def test_an_adapter_that_starts_as_the_identity_gets_a_finite_gradient(make):
    trial = make()
    codes = trial.w_prior.clone().requires_grad_()
    AdaptiveWNorm(weight=1).value(replace(trial, w_plus=codes, memo={}))[0].backward()
    assert codes.grad.isfinite().all()


def test_a_strength_of_zero_is_zero(make):
    assert AdaptiveWNorm(weight=1, strength=0).value(make())[0] == 0


def test_anchors_stand_in_the_frame_of_the_codes(make, parts):
    trial = make(target_age=torch.tensor([40.0, 44.0, 20.0, 24.0]))
    codes = trial.w_prior[[0, 0, 1, 1]]
    anchors = age_anchors(
        trial.w_prior[:2],
        torch.tensor([42.0, 22.0]),
        latent_average=parts.latent_average,
        prior="a prior",
    )
    own = replace(trial, w_plus=codes, parts=replace(parts, anchors=anchors), memo={})
    assert AgeAnchor(weight=1).value(own)[0] == 0
    beside = replace(own, w_plus=codes + 0.5, memo={})
    assert AgeAnchor(weight=1).value(beside)[0] == pytest.approx(0.25)


def test_anchors_on_another_latent_average_are_refused(parts):
    check([AgeAnchor(weight=1)], parts)
    moved = replace(parts, latent_average=parts.latent_average + 1)
    with pytest.raises(RecipeError, match="another latent average"):
        check([AgeAnchor(weight=1)], moved)


def test_the_data_of_the_person_travels_to_a_device(parts):
    there = parts.to("meta")
    assert there.references.embeddings.device.type == "meta"
    assert there.anchors.codes.device.type == there.prototypes.ages.device.type == "meta"
    assert there.identity_net is parts.identity_net
    assert replace(parts, anchors=None).to("meta").anchors is None
