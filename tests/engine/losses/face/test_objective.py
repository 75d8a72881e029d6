from dataclasses import replace

import pytest
import torch

from engine.core.errors import RecipeError
from engine.losses.face.base import check, mean_where, objective
from engine.losses.face.context import References
from engine.losses.face.contrastive_id import ContrastiveId
from engine.losses.face.identity import Identity
from engine.losses.face.identity_margin import IdentityMargin
from engine.losses.face.nearest_id import NearestId
from engine.losses.face.perceptual import Perceptual
from engine.losses.face.pixel import Pixel
from engine.losses.face.target_id import TargetId
from engine.losses.face.w_norm import WNorm


def test_the_objective_gives_values_and_the_weights_of_the_step(make):
    losses = [Pixel(weight="0:1, 10:0.25"), WNorm(weight=0.003)]
    found = objective(make(), losses, 10)
    assert {name: term.weight for name, term in found.terms.items()} == {
        "real/pixel": 0.25,
        "real/w_norm": 0.003,
    }
    assert "real/pixel/share" in found.told


def test_the_two_passes_never_overwrite_each_other_s_reports(make):
    losses = [Perceptual(weight=1, region="face"), Pixel(weight=1)]
    real = objective(make(), losses, 0)
    cycle = objective(make(direction="cycle"), losses, 0)
    assert not {*real.terms, *real.told} & {*cycle.terms, *cycle.told}


def test_aged_and_kept_samples_may_weigh_differently(make):
    losses = [Pixel(weight=0.25, when="aged"), Pixel(weight=1.0, when="same")]
    assert set(objective(make(), losses, 0).terms) == {"real/pixel_aged", "real/pixel_same"}


def test_a_network_looks_at_each_picture_once_whatever_the_number_of_losses(make):
    trial = make()
    losses = [
        Identity(weight=1),
        IdentityMargin(weight=1),
        NearestId(weight=1),
        ContrastiveId(weight=1),
        TargetId(weight=1),
    ]
    assert len(objective(trial, losses, 0).terms) == 5
    assert trial.parts.identity_net.looks == 2 * len(trial.output)


def test_what_is_cached_of_a_photo_is_not_computed_again(make, unit_rows):
    known = unit_rows([1], [1], [0, 1], [0, 0, 1])
    trial = make(cached={"embedding": known})
    assert trial.source_embedding() is known
    Identity(weight=1).value(trial)
    assert trial.parts.identity_net.looks == len(trial.output)


def test_no_gradient_reaches_what_is_known_of_the_photo(make):
    trial = make()
    trial.source.requires_grad_()
    assert not trial.source_embedding().requires_grad
    assert not trial.source_points().requires_grad


def test_all_faults_of_all_losses_are_told_at_once(parts):
    losses = [Identity(weight=1), NearestId(weight=1), Pixel(weight=1), Pixel(weight=2)]
    lame = replace(parts, identity_net=None, references=None)
    with pytest.raises(RecipeError) as caught:
        check(losses, lame)
    assert str(caught.value) == (
        "the loss `identity` needs `identity_net`; the loss `nearest_id` needs `identity_net`; "
        "the loss `nearest_id` needs `references`; there are 2 losses `pixel`"
    )


def test_faces_embedded_by_another_recogniser_are_refused(parts):
    strange = References(parts.references.embeddings, parts.references.ages, "another")
    with pytest.raises(RecipeError, match="`references` .* embedded by another identity_net"):
        check([NearestId(weight=1)], replace(parts, references=strange))


def test_a_mean_over_no_sample_is_zero_and_teaches_nothing():
    values = torch.tensor([1.0, float("nan")], requires_grad=True)
    mean = mean_where(values, torch.tensor([False, False]))
    mean.backward()
    assert mean == 0
    assert (values.grad == 0).all()


def test_a_mean_ignores_what_is_not_chosen_even_if_it_is_no_number():
    values = torch.tensor([1.0, float("nan"), 3.0], requires_grad=True)
    mean = mean_where(values, torch.tensor([True, False, True]))
    mean.backward()
    assert mean == 2
    assert values.grad.tolist() == [0.5, 0.0, 0.5]


def test_a_pass_is_named_once():
    with pytest.raises(ValueError, match="name each pass once"):
        Pixel(weight=1, on=("real", "real"))
    with pytest.raises(ValueError, match="name each pass once"):
        Pixel(weight=1, on=())


def test_the_picture_made_has_the_size_of_the_photo(make):
    with pytest.raises(ValueError, match="the picture made"):
        make(output=torch.zeros(4, 3, 16, 16))
