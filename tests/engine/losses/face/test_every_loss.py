"""Promises that every registered loss keeps."""

from dataclasses import replace

import pytest
import torch
from pydantic import TypeAdapter

from engine.core.errors import RecipeError
from engine.losses.face.base import FACE_LOSSES, LossChoice, check, total_loss
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
NAMES = [f"{i}-{table['kind']}" for i, table in enumerate(EXAMPLES)]
every = pytest.mark.parametrize("table", EXAMPLES, ids=NAMES)
CHOICE = TypeAdapter(LossChoice)


def loss_of(table):
    return CHOICE.validate_python({"weight": 0.7, **table})


def test_every_kind_has_an_example():
    assert {table["kind"] for table in EXAMPLES} == set(FACE_LOSSES)


@every
def test_a_loss_survives_a_round_trip(table):
    loss = loss_of(table)
    assert CHOICE.validate_python(loss.dump()) == loss


@every
def test_the_weight_is_required(table):
    with pytest.raises(Exception, match="this key is required"):
        CHOICE.validate_python({"kind": table["kind"]})


@every
def test_a_loss_has_a_gradient_in_the_picture_or_in_the_codes(table, make):
    inputs = make()
    inputs.output.requires_grad_()
    inputs.w_plus.requires_grad_()
    value, metrics = loss_of(table).value(inputs)
    assert value.shape == ()
    assert value.isfinite()
    assert all(metric.shape == () and not metric.requires_grad for metric in metrics.values())
    value.backward()
    gradients = [x.grad for x in (inputs.output, inputs.w_plus) if x.grad is not None]
    assert len(gradients) == 1
    assert gradients[0].isfinite().all()
    assert gradients[0].abs().sum() > 0


@every
def test_a_loss_of_weight_0_is_not_computed(table, make):
    loss = loss_of({**table, "weight": 0})
    assert total_loss(make(context=LossContext()), [loss], 0) == ({}, {})


@every
def test_a_loss_is_a_mean_and_not_a_sum(table, make, pick):
    once, loss = make(), loss_of(table)
    twice = pick(once, [0, 1, 2, 3, 0, 1, 2, 3])
    torch.testing.assert_close(loss.value(twice)[0], loss.value(once)[0])


@every
@pytest.mark.parametrize(("when", "places"), [("aged", [0, 1]), ("same", [2, 3])])
def test_samples_that_a_loss_does_not_apply_to_count_as_0(table, when, places, make, pick):
    inputs = make()
    value, metrics = loss_of({**table, "when": when}).value(inputs)
    alone, _ = loss_of({**table, "when": "always"}).value(pick(inputs, places))
    torch.testing.assert_close(value, alone / 2)
    assert metrics["share"] == 0.5


@every
@pytest.mark.parametrize("when", ["always", "aged", "same"])
@pytest.mark.parametrize("shares", [([0, 1], [2, 3]), ([0, 1, 2], [3]), ([0], [1], [2], [3])])
def test_a_loss_is_the_same_however_processes_share_the_batch(table, when, shares, make, pick):
    loss = loss_of({**table, "when": when})
    value, _ = loss.value(make())
    parts = [(len(share), loss.value(pick(make(), share))) for share in shares]
    total = sum(count * (0 if part is None else part[0]) for count, part in parts) / 4
    torch.testing.assert_close(total, value)


@every
def test_a_loss_that_applies_to_no_sample_has_no_value(table, make, pick):
    aged = pick(make(), [0, 1])
    assert loss_of({**table, "when": "same"}).value(aged) is None
    assert loss_of({**table, "on": ["cycle"]}).value(make()) is None


@every
def test_a_loss_names_each_missing_key(table):
    loss = loss_of(table)
    if not loss.needed():
        check([loss], LossContext())
        return
    with pytest.raises(RecipeError) as caught:
        check([loss], LossContext())
    assert all(f"needs `{need}`" in str(caught.value) for need in loss.needed())


@every
def test_a_full_context_has_no_faults(table, context):
    check([loss_of(table)], context)


@every
def test_a_loss_computed_without_a_need_names_its_key(table, make):
    loss = loss_of(table)
    for need in loss.needed():
        incomplete = make()
        with pytest.raises(RecipeError, match=need):
            loss.value(
                replace(incomplete, context=replace(incomplete.context, **{need: None}), memo={})
            )


@every
def test_a_loss_never_reads_a_value_on_the_host(table, make, on_meta):
    value, metrics = loss_of(table).value(on_meta(make()))
    assert value.device.type == "meta"
    assert "share" in metrics
