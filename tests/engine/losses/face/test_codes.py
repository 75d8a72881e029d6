"""Losses on codes against values computed by hand."""

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
    inputs = make()
    codes = inputs.latent_average.expand(4, -1, -1).clone()
    codes[0] += 2.0  # 3 styles of 5: a norm of 2 sqrt 15
    value, _ = WNorm(weight=1).value(replace(inputs, w_plus=codes, memo={}))
    assert value == pytest.approx(2 * 15**0.5 / 4)


def test_codes_on_the_latent_average_have_loss_0_and_finite_gradients(make):
    inputs = make()
    codes = inputs.latent_average.expand(4, -1, -1).clone().requires_grad_()
    value, _ = WNorm(weight=1).value(replace(inputs, w_plus=codes, memo={}))
    value.backward()
    assert value == 0
    assert codes.grad.isfinite().all()


@pytest.mark.parametrize(("years", "weight"), [(0, 0.0), (30, 0.103), (100, 0.5)])
def test_the_weight_of_the_prior_grows_with_the_age_gap(make, years, weight):
    inputs = make(
        source_age=torch.zeros(4),
        target_age=torch.full((4,), float(years)),
    )
    away = torch.zeros_like(inputs.w_prior)
    away[:, 0, 0] = 2.0
    inputs = replace(inputs, w_plus=inputs.w_prior + away, memo={})
    value, metrics = AdaptiveWNorm(weight=1, strength=7).value(inputs)
    assert value == pytest.approx(2 * 7 * weight, abs=2e-3)
    assert metrics["distance"] == pytest.approx(2.0)


def test_the_distance_is_to_the_prior_and_not_to_the_average(make):
    inputs = make()
    still = replace(inputs, w_plus=inputs.w_prior, memo={})
    assert AdaptiveWNorm(weight=1).value(still)[0] == 0
    assert WNorm(weight=1).value(still)[0] > 1


def test_an_adapter_that_starts_as_the_identity_gets_a_finite_gradient(make):
    inputs = make()
    codes = inputs.w_prior.clone().requires_grad_()
    AdaptiveWNorm(weight=1).value(replace(inputs, w_plus=codes, memo={}))[0].backward()
    assert codes.grad.isfinite().all()


def test_a_strength_of_zero_is_zero(make):
    assert AdaptiveWNorm(weight=1, strength=0).value(make())[0] == 0


def test_anchors_include_the_latent_average(make, context):
    inputs = make(target_age=torch.tensor([40.0, 44.0, 20.0, 24.0]))
    codes = inputs.w_prior[[0, 0, 1, 1]]
    anchors = age_anchors(
        inputs.w_prior[:2],
        torch.tensor([42.0, 22.0]),
        latent_average=context.latent_average,
        prior="a prior",
    )
    own = replace(inputs, w_plus=codes, context=replace(context, anchors=anchors), memo={})
    assert AgeAnchor(weight=1).value(own)[0] == 0
    beside = replace(own, w_plus=codes + 0.5, memo={})
    assert AgeAnchor(weight=1).value(beside)[0] == pytest.approx(0.25)


def test_anchors_on_another_latent_average_are_refused(context):
    check([AgeAnchor(weight=1)], context)
    moved = replace(context, latent_average=context.latent_average + 1)
    with pytest.raises(RecipeError, match="another latent average"):
        check([AgeAnchor(weight=1)], moved)


def test_the_persons_data_moves_to_a_device(context):
    there = context.to("meta")
    assert there.references.embeddings.device.type == "meta"
    assert there.anchors.codes.device.type == there.prototypes.ages.device.type == "meta"
    assert there.identity is context.identity
    assert replace(context, anchors=None).to("meta").anchors is None
