"""Losses between two pictures: pixels, edges, texture, features, and the length of codes."""

import pytest
import torch
import torch.nn.functional as F

from engine.losses.perceptual import feature_l2
from engine.losses.pixel import gradient_l1, pyramid_l1
from engine.losses.texture import texture_l1, texture_strength
from engine.losses.w_norm import w_norm
from engine.metrics.energy import laplacian


@pytest.fixture
def noise():
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.1


@pytest.mark.parametrize("loss", [pyramid_l1, gradient_l1, texture_l1])
def test_equal_pictures_are_no_distance_apart(loss, noise):
    assert loss(noise, noise.clone()).item() == 0


def test_the_pyramid_counts_a_shift_of_brightness_at_every_level(noise):
    assert pyramid_l1(noise + 0.5, noise).item() == pytest.approx(0.5, rel=1e-5)


def test_the_pyramid_forgives_grain_that_averages_out():
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1
    picture = board.expand(1, 3, 8, 8)
    assert pyramid_l1(picture, torch.zeros_like(picture), levels=2).item() == pytest.approx(0.5)


def test_edges_do_not_see_brightness_but_a_step(noise):
    step = torch.zeros(1, 1, 4, 4)
    step[..., 2:] = 1
    assert gradient_l1(noise + 0.5, noise).item() == pytest.approx(0, abs=1e-6)
    assert gradient_l1(step, torch.zeros_like(step)).item() == pytest.approx(1 / 3)


def test_other_noise_of_the_same_strength_costs_less_than_blur(noise):
    other = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 0.1
    blurred = F.avg_pool2d(noise, 3, 1, 1)
    assert texture_l1(other, noise) < 0.5 * texture_l1(blurred, noise)
    assert pyramid_l1(other, noise) > pyramid_l1(blurred, noise)


def test_strength_is_the_root_of_the_energy_that_is_examined(noise):
    for place, sigma in enumerate((0.0, 0.8)):
        energy = F.avg_pool2d(laplacian(noise, sigma).square()[:, None], 8, 4)
        strength = texture_strength(noise)[:, place : place + 1].square()
        # Away from the border, where the two continue pictures differently.
        torch.testing.assert_close(
            strength[..., 1:-1, 1:-1], energy[..., 1:-1, 1:-1] + 1e-6, rtol=1e-3, atol=1e-6
        )


def test_features_are_compared_by_direction():
    one = torch.tensor([[[[1.0]], [[0.0]]]])
    other = torch.tensor([[[[0.0]], [[1.0]]]])
    assert feature_l2([one], [5 * one]).item() == pytest.approx(0, abs=1e-6)
    assert feature_l2([one], [other]).item() == pytest.approx(2, rel=1e-5)
    assert feature_l2([one, one], [other, one]).item() == pytest.approx(1, rel=1e-5)


def test_codes_of_unit_variance_are_one_long():
    codes = torch.randn(4, 6, 512, generator=torch.Generator().manual_seed(0)) + 3
    assert w_norm(codes, torch.full((6, 512), 3.0)).item() == pytest.approx(1, abs=0.03)
