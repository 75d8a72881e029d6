from functools import partial

import pytest
import torch

from engine.landscapes.losses.augmentation import adapted_probability, augmented

KINDS = ("translation", "cutout", "flip")


@pytest.fixture
def pictures():
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def uniforms(**columns):
    """Random numbers of four pictures; 0.5 has no effect."""
    rows = torch.full((4, 8), 0.5)
    for column, value in columns.items():
        rows[:, int(column[1:])] = value
    return rows


def test_translation_is_by_whole_pixels_with_a_grey_border(pictures):
    # 0.75 is half of an eighth of the side to the right, 0.25 as much upwards.
    output = augmented(pictures, ("translation",), uniforms(c1=0.75, c2=0.25))
    assert torch.equal(output[..., :-1, 1:], pictures[..., 1:, :-1])
    assert not output[..., :, 0].any()
    assert not output[..., -1, :].any()


def test_cutout_is_half_a_side_wide(pictures):
    output = augmented(pictures, ("cutout",), uniforms(c3=0.0, c4=0.5, c5=0.5))
    assert not output[..., 4:12, 4:12].any()
    assert torch.equal(output[..., :4, :], pictures[..., :4, :])


def test_half_of_the_images_are_flipped(pictures):
    assert torch.equal(augmented(pictures, ("flip",), uniforms(c6=0.4)), pictures.flip(3))
    assert torch.equal(augmented(pictures, ("flip",), uniforms(c6=0.6)), pictures)


@pytest.mark.parametrize("probability", [0.0, torch.zeros(())])
def test_probability_zero_changes_nothing(pictures, probability):
    rows = torch.rand(4, 8)
    assert torch.equal(augmented(pictures, KINDS, rows, probability), pictures)


def test_augmentation_has_a_second_derivative(pictures):
    leaf = pictures.clone().requires_grad_(True)
    output = augmented(leaf, KINDS, torch.rand(4, 8))
    (gradient,) = torch.autograd.grad(output.square().sum(), leaf, create_graph=True)
    gradient.square().sum().backward()
    # The gradient of (2x)^2 is 8x at every pixel that is kept.
    assert torch.allclose(leaf.grad, torch.where(gradient != 0, 8 * leaf, 0))


def test_colours_are_not_changed(pictures):
    grey = torch.full_like(pictures, 0.3)
    output = augmented(grey, KINDS, torch.rand(4, 8))
    assert torch.all((output == 0) | (output == grey))


def test_the_probability_rises_while_real_logits_are_too_positive():
    probability = torch.tensor(0.5)
    sure, unsure = torch.ones(8), torch.tensor([1.0, -1.0] * 4)
    rule = partial(adapted_probability, target=0.6, images=50, ramp_images=500)
    assert rule(probability, sure) == pytest.approx(0.6)
    assert rule(probability, unsure) == pytest.approx(0.4)
    assert rule(torch.zeros(()), unsure) == 0
    assert rule(torch.tensor(0.85), sure) == 0.85
