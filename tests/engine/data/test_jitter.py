"""Augmentation of pictures and landmarks."""

from math import pi

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.core.numbers import Span
from engine.data.jitter import (
    ColorJitter,
    Quality,
    Shading,
    flipped,
    flipped_points,
    luma_of,
    recoloured,
    requalified,
    reshaded,
    shifted,
    turned,
)
from engine.runtime.draws import Draws

NONE = torch.zeros(1)
ONE = torch.ones(1)


def luma(pictures):
    return (pictures * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1)


@pytest.fixture
def pictures():
    torch.manual_seed(0)
    return torch.rand(6, 3, 16, 16) * 0.6 - 0.3


def test_no_turn_changes_nothing(pictures):
    torch.testing.assert_close(turned(pictures[:1], NONE, ONE, ONE), pictures[:1])


def test_a_turned_hue_keeps_the_luma(pictures):
    for degrees in (60, 120, 200):
        out = turned(pictures[:1], torch.tensor([degrees * pi / 180]), ONE, ONE)
        torch.testing.assert_close(luma(out), luma(pictures[:1]), rtol=0, atol=1e-5)
        assert (out - pictures[:1]).abs().max() > 0.1


def test_a_third_of_a_turn_makes_red_green():
    red = torch.tensor([0.3, -0.1, -0.1]).view(1, 3, 1, 1)
    out = turned(red, torch.tensor([2 * pi / 3]), ONE, ONE).flatten()
    assert out.argmax() == 1
    torch.testing.assert_close(out[0], out[2])


def test_no_saturation_is_grey(pictures):
    out = turned(pictures[:1], NONE, NONE, ONE)
    torch.testing.assert_close(out, luma(pictures[:1])[:, None].expand(1, 3, 16, 16))


def test_brightness_scales_light_from_black():
    grey = torch.full((1, 3, 2, 2), -0.5)
    torch.testing.assert_close(turned(grey, NONE, ONE, 1.2 * ONE), torch.full_like(grey, -0.4))


def test_colours_depend_on_the_draws_alone(pictures):
    jitter = ColorJitter()
    once, again, other = (
        recoloured(pictures, jitter, Draws(seed, 5, range(6))) for seed in (1, 1, 2)
    )
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_half_a_batch_is_changed_as_it_is_in_the_whole(pictures):
    whole = recoloured(pictures, ColorJitter(), Draws(1, 5, range(6)))
    half = recoloured(pictures[3:], ColorJitter(), Draws(1, 5, range(3, 6)))
    torch.testing.assert_close(half, whole[3:])


def test_only_the_share_is_changed(pictures):
    kept = recoloured(pictures, ColorJitter(share=0.0), Draws(1, 5, range(6)))
    assert torch.equal(kept, pictures)


def test_patches_turn_one_part_of_a_picture_more_than_another():
    plain = torch.tensor([0.3, 0.0, -0.2]).view(1, 3, 1, 1).expand(1, 3, 32, 32).contiguous()
    jitter = ColorJitter(share=1.0, brightness=Span(1, 1))
    whole = recoloured(plain, jitter.model_copy(update={"patches": False}), Draws(0, 0, range(1)))
    parts = recoloured(plain, jitter, Draws(0, 0, range(1)))
    assert whole.std(dim=(2, 3)).max() < 1e-5
    assert parts.std(dim=(2, 3)).max() > 0.03


def test_only_the_chosen_are_mirrored(pictures):
    out = flipped(pictures[:2], torch.tensor([True, False]))
    assert torch.equal(out[0], pictures[0].flip(2))
    assert torch.equal(out[1], pictures[1])


def test_mirrored_points_lie_on_the_mirrored_picture():
    points = torch.rand(2, 68, 2) * 15
    out = flipped_points(points, torch.tensor([True, False]), 16)
    torch.testing.assert_close(
        out[0, 36], torch.tensor([15.0, 0.0]) + points[0, 45] * torch.tensor([-1.0, 1.0])
    )
    assert torch.equal(out[1], points[1])


def test_a_shift_moves_to_the_right_and_down_and_repeats_the_border():
    picture = torch.arange(16.0).view(1, 1, 4, 4).expand(2, 3, 4, 4)
    out = shifted(picture, torch.tensor([[1, 0], [0, -2]]))
    assert out[0, 0, 0].tolist() == [0, 0, 1, 2]
    assert out[1, 0, :, 0].tolist() == [8, 12, 12, 12]


def test_grey_pictures_keep_their_luma_alone(pictures):
    draws = Draws(0, 0, range(6))
    grey = recoloured(pictures, ColorJitter(share=0, grey=1), draws)
    torch.testing.assert_close(grey, luma(pictures)[:, None].expand(-1, 3, -1, -1))
    torch.testing.assert_close(luma_of(pictures), grey)
    some = recoloured(pictures, ColorJitter(share=0, grey=0.5), draws)
    changed = [not torch.equal(a, b) for a, b in zip(some, pictures, strict=True)]
    assert 0 < sum(changed) < 6


def roughness(pictures):
    return (pictures[..., 1:] - pictures[..., :-1]).square().mean((1, 2, 3))


@pytest.mark.parametrize(
    ("quality", "compare"),
    [
        (Quality(blurred=1), torch.lt),
        (Quality(blurred=0, sharpened=1), torch.gt),
        (Quality(blurred=0, grain=0.3), torch.gt),
        (Quality(blurred=0), torch.eq),
    ],
)
def test_pictures_are_blurred_sharpened_or_grained(pictures, quality, compare):
    out = requalified(pictures, quality, Draws(0, 3, range(6)))
    assert compare(roughness(out), roughness(pictures)).all()
    assert out.abs().max() <= 1


def test_a_blur_is_that_of_its_sigma(pictures):
    quality = Quality(blurred=1, sigma=Span(1.2, 1.2))
    out = requalified(pictures, quality, Draws(0, 0, range(6)))
    channels = [
        cv2.copyMakeBorder(c.numpy(), 8, 8, 8, 8, cv2.BORDER_REPLICATE) for c in pictures[2]
    ]
    expected = [cv2.GaussianBlur(c, (9, 9), 1.2)[8:-8, 8:-8] for c in channels]
    torch.testing.assert_close(out[2], torch.tensor(np.stack(expected)), rtol=0, atol=2e-3)


def mosaic(pictures, cells=8):
    return F.adaptive_avg_pool2d(pictures, cells)


def test_shading_changes_what_a_mosaic_shows_and_leaves_detail(pictures):
    pictures = pictures / 2
    shading = Shading(share=1, kept=Span(0, 0), deviation=0.1)
    out = reshaded(pictures, shading, Draws(0, 0, range(6)))
    pairs = torch.corrcoef(torch.cat([mosaic(pictures).flatten(1), mosaic(out).flatten(1)]))
    own = pairs[:6, 6:].diagonal()
    assert own.max() < 0.5
    detail = [one - F.interpolate(mosaic(one), size=16, mode="bicubic") for one in (pictures, out)]
    assert torch.corrcoef(torch.stack([one.flatten() for one in detail]))[0, 1] > 0.9


def test_only_a_share_of_the_pictures_is_shaded(pictures):
    out = reshaded(pictures, Shading(share=0.5), Draws(0, 0, range(6)))
    changed = [not torch.equal(a, b) for a, b in zip(out, pictures, strict=True)]
    assert 0 < sum(changed) < 6
    assert torch.equal(reshaded(pictures, Shading(share=0), Draws(0, 0, range(6))), pictures)
    assert out.abs().max() <= 1
    still = Shading(share=1, kept=Span(1, 1), deviation=0)
    torch.testing.assert_close(reshaded(pictures, still, Draws(0, 0, range(6))), pictures)
