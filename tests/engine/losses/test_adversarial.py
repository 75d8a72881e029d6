import math

import pytest
import torch

from engine.losses.adversarial import (
    discriminator_loss,
    feature_matching,
    generator_loss,
    r1_penalty,
)


def test_a_critic_that_knows_nothing_pays_two_logs_of_two():
    blank = [torch.zeros(3, 1, 2, 2), torch.zeros(3, 1, 1, 1)]
    assert discriminator_loss(blank, blank).item() == pytest.approx(2 * math.log(2))
    assert generator_loss(blank).item() == pytest.approx(math.log(2))


def test_both_sides_want_what_the_other_fears():
    rendered, generated = torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4, requires_grad=True)
    for loss, sign in (
        (discriminator_loss([rendered], [generated]), 1),
        (generator_loss([generated]), -1),
    ):
        (slope,) = torch.autograd.grad(loss, generated)
        assert (slope.sign() == sign).all()


def test_r1_is_the_squared_slope_of_a_linear_critic():
    weights = torch.randn(3, 5, 5, generator=torch.Generator().manual_seed(0))
    penalty = r1_penalty(
        lambda x: [(x * weights).sum(dim=(1, 2, 3))[:, None, None, None]], torch.randn(4, 3, 5, 5)
    )
    assert penalty.item() == pytest.approx(weights.square().sum().item(), rel=1e-5)


def test_r1_teaches_the_critic():
    discriminator = torch.nn.Conv2d(3, 1, 3)
    r1_penalty(lambda x: [discriminator(x)], torch.randn(2, 3, 8, 8)).backward()
    assert discriminator.weight.grad.any()


def test_feature_matching_is_relative_and_moves_the_generated_alone():
    rendered = torch.full((2, 4, 3, 3), 2.0, requires_grad=True)
    generated = torch.full((2, 4, 3, 3), 3.0, requires_grad=True)
    loss = feature_matching([generated], [rendered])
    loss.backward()
    assert loss.item() == pytest.approx(0.5)
    assert rendered.grad is None
    assert generated.grad.any()
