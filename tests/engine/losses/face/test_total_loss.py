from dataclasses import replace

import pytest
import torch

from engine.core.errors import RecipeError
from engine.losses.face.base import check, masked_mean, total_loss
from engine.losses.face.context import References
from engine.losses.face.contrastive_id import ContrastiveId
from engine.losses.face.identity import Identity
from engine.losses.face.identity_margin import IdentityMargin
from engine.losses.face.nearest_id import NearestId
from engine.losses.face.perceptual import Perceptual
from engine.losses.face.pixel import Pixel
from engine.losses.face.target_id import TargetId
from engine.losses.face.w_norm import WNorm


def test_the_total_loss_has_values_and_the_weights_of_the_step(make):
    losses = [Pixel(weight="0:1, 10:0.25"), WNorm(weight=0.003)]
    total = total_loss(make(), losses, 10)
    assert {name: term.weight for name, term in total.terms.items()} == {
        "real/pixel": 0.25,
        "real/w_norm": 0.003,
    }
    assert "real/pixel/share" in total.metrics


def test_the_metrics_of_the_two_passes_have_distinct_names(make):
    losses = [Perceptual(weight=1, region="face"), Pixel(weight=1)]
    real = total_loss(make(), losses, 0)
    cycle = total_loss(make(direction="cycle"), losses, 0)
    assert not {*real.terms, *real.metrics} & {*cycle.terms, *cycle.metrics}


def test_aged_and_kept_samples_may_have_different_weights(make):
    losses = [Pixel(weight=0.25, when="aged"), Pixel(weight=1.0, when="same")]
    assert set(total_loss(make(), losses, 0).terms) == {"real/pixel_aged", "real/pixel_same"}


def test_a_network_runs_once_per_picture_for_any_number_of_losses(make):
    inputs = make()
    losses = [
        Identity(weight=1),
        IdentityMargin(weight=1),
        NearestId(weight=1),
        ContrastiveId(weight=1),
        TargetId(weight=1),
    ]
    assert len(total_loss(inputs, losses, 0).terms) == 5
    assert inputs.context.identity.count == 2 * len(inputs.output)


def test_what_is_cached_of_a_photo_is_not_computed_again(make, unit_rows):
    known = unit_rows([1], [1], [0, 1], [0, 0, 1])
    inputs = make(cached={"embedding": known})
    assert inputs.source_embedding() is known
    Identity(weight=1).value(inputs)
    assert inputs.context.identity.count == len(inputs.output)


def test_values_of_the_photo_have_no_gradient(make):
    inputs = make()
    inputs.source.requires_grad_()
    assert not inputs.source_embedding().requires_grad
    assert not inputs.source_points().requires_grad


def test_all_faults_of_all_losses_are_reported_at_once(context):
    losses = [Identity(weight=1), NearestId(weight=1), Pixel(weight=1), Pixel(weight=2)]
    incomplete = replace(context, identity=None, references=None)
    with pytest.raises(RecipeError) as caught:
        check(losses, incomplete)
    assert str(caught.value) == (
        "the loss `identity` needs `identity`; the loss `nearest_id` needs `identity`; "
        "the loss `nearest_id` needs `references`; there are 2 losses `pixel`"
    )


def test_faces_embedded_by_another_network_are_refused(context):
    other = References(context.references.embeddings, context.references.ages, "another")
    with pytest.raises(RecipeError, match="`references` .* embedded by another identity network"):
        check([NearestId(weight=1)], replace(context, references=other))


def test_a_mean_ignores_masked_values_even_nan():
    values = torch.tensor([1.0, float("nan"), 3.0], requires_grad=True)
    mean = masked_mean(values, torch.tensor([True, False, True]))
    mean.backward()
    assert mean == 2
    assert values.grad.tolist() == [0.5, 0.0, 0.5]
    assert masked_mean(values, torch.tensor([False, False, False])) == 0


def test_a_pass_is_named_once():
    with pytest.raises(ValueError, match="name each pass once"):
        Pixel(weight=1, on=("real", "real"))
    with pytest.raises(ValueError, match="name each pass once"):
        Pixel(weight=1, on=())


def test_the_output_has_the_size_of_the_photo(make):
    with pytest.raises(ValueError, match="the output"):
        make(output=torch.zeros(4, 3, 16, 16))
