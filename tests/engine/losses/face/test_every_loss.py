"""Promises that every registered loss keeps."""

from dataclasses import replace

import pytest
import torch
from pydantic import TypeAdapter

from engine.core.errors import RecipeError
from engine.losses.face.base import FACE_LOSSES, LossChoice, check, objective
from engine.losses.face.context import LossContext

EXAMPLES = [
    {"kind": "adaptive_w_norm"},
    {"kind": "age_anchor"},
    {"kind": "ageing"},
    {"kind": "contrastive_id"},
    {"kind": "contrastive_id", "repulsion_only": True, "youngest": 35, "oldest": 45},
    {"kind": "geometry"},
    {"kind": "identity"},
    {"kind": "identity", "weight": "0:0.3, 20k:0.4", "when": "aged"},
    {"kind": "identity_adversarial"},
    {
        "kind": "identity_adversarial",
        "gamma": 1.5,
        "margin": 0.15,
        "report": "mean(clean,flip)+0.5*min(jpeg75,blur0.6)",
        "confidence": {"threshold": 0.9},
    },
    {"kind": "identity_margin", "margin": 1},
    {"kind": "laplacian"},
    {"kind": "laplacian", "levels": 1, "region": "face"},
    {"kind": "nearest_id"},
    {"kind": "nearest_id", "when": "always", "radius": 0},
    {"kind": "perceptual"},
    {"kind": "perceptual", "region": "face", "when": "same"},
    {"kind": "pixel"},
    {"kind": "pixel", "region": "face", "on": ["cycle", "real"]},
    {"kind": "roi_id", "jitter": 0, "size": 16},
    {"kind": "roi_id", "jitter": 0, "size": 48, "regions": ["mouth"]},
    {"kind": "target_id"},
    {"kind": "texture", "when": "same"},
    {"kind": "w_norm"},
]
NAMES = [f"{i}-{told['kind']}" for i, told in enumerate(EXAMPLES)]
every = pytest.mark.parametrize("told", EXAMPLES, ids=NAMES)
CHOICE = TypeAdapter(LossChoice)


def loss_of(told):
    return CHOICE.validate_python({"weight": 0.7, **told})


def test_every_kind_has_an_example():
    assert {told["kind"] for told in EXAMPLES} == set(FACE_LOSSES)


@every
def test_a_loss_survives_a_round_trip(told):
    loss = loss_of(told)
    assert CHOICE.validate_python(loss.dump()) == loss


@every
def test_a_loss_has_a_weight_that_is_said(told):
    with pytest.raises(Exception, match="this key is required"):
        CHOICE.validate_python({"kind": told["kind"]})


@every
def test_a_loss_teaches_the_picture_or_the_codes(told, make):
    trial = make()
    trial.output.requires_grad_()
    trial.w_plus.requires_grad_()
    value, about = loss_of(told).value(trial)
    assert value.shape == ()
    assert value.isfinite()
    assert all(seen.shape == () and not seen.requires_grad for seen in about.values())
    value.backward()
    slopes = [x.grad for x in (trial.output, trial.w_plus) if x.grad is not None]
    assert len(slopes) == 1
    assert slopes[0].isfinite().all()
    assert slopes[0].abs().sum() > 0


@every
def test_a_loss_that_weighs_nothing_is_not_computed(told, make):
    loss = loss_of({**told, "weight": 0})
    assert objective(make(parts=LossContext()), [loss], 0) == ({}, {})


@every
def test_a_loss_is_a_mean_and_not_a_sum(told, make, pick):
    once, loss = make(), loss_of(told)
    twice = pick(once, [0, 1, 2, 3, 0, 1, 2, 3])
    torch.testing.assert_close(loss.value(twice)[0], loss.value(once)[0])


@every
@pytest.mark.parametrize(("when", "places"), [("aged", [0, 1]), ("same", [2, 3])])
def test_a_loss_is_the_mean_over_the_samples_it_is_for(told, when, places, make, pick):
    trial = make()
    value, about = loss_of({**told, "when": when}).value(trial)
    alone, _ = loss_of({**told, "when": "always"}).value(pick(trial, places))
    torch.testing.assert_close(value, alone)
    assert about["share"] == 0.5


@every
def test_a_loss_has_no_value_where_it_applies_to_no_sample(told, make, pick):
    aged = pick(make(), [0, 1])
    assert loss_of({**told, "when": "same"}).value(aged) is None
    assert loss_of({**told, "on": ["cycle"]}).value(make()) is None


@every
def test_a_loss_names_each_part_that_it_lacks(told):
    loss = loss_of(told)
    if not loss.needed():
        check([loss], LossContext())
        return
    with pytest.raises(RecipeError) as caught:
        check([loss], LossContext())
    assert all(f"needs `{need}`" in str(caught.value) for need in loss.needed())


@every
def test_a_loss_can_work_with_all_parts(told, parts):
    check([loss_of(told)], parts)


@every
def test_a_loss_asked_without_its_parts_says_which_key_is_missing(told, make):
    loss = loss_of(told)
    for need in loss.needed():
        lame = make()
        with pytest.raises(RecipeError, match=need):
            loss.value(replace(lame, parts=replace(lame.parts, **{need: None}), memo={}))


@every
def test_a_loss_never_waits_for_the_values_of_a_tensor(told, make, on_meta):
    value, about = loss_of(told).value(on_meta(make()))
    assert value.device.type == "meta"
    assert "share" in about
