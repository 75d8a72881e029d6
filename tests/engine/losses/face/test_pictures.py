"""Losses on pictures and on estimated ages."""

import pytest
import torch

from engine.losses.face.ageing import Ageing
from engine.losses.face.laplacian import Laplacian, pyramid
from engine.losses.face.perceptual import Perceptual
from engine.losses.face.pixel import Pixel
from engine.losses.face.regions import face_crop
from engine.losses.face.texture import Texture


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [
        (256, (35, 223), (32, 220)),
        (128, (18, 112), (16, 110)),
        (512, (70, 446), (64, 440)),
        (64, (9, 56), (8, 55)),
    ],
)
def test_the_face_is_cut_where_arcface_cuts_it_at_any_size(size, rows, columns):
    places = torch.arange(size * size, dtype=torch.float32).view(1, 1, size, size)
    face = face_crop(places.expand(1, 3, -1, -1))
    assert torch.equal(face[0, 0], places[0, 0, slice(*rows), slice(*columns)])


def test_pixels_count_in_the_face_only_where_the_recipe_says_so(make):
    inputs = make(source=torch.zeros(4, 3, 32, 32), output=torch.zeros(4, 3, 32, 32))
    inputs.output[:, :, :2] = 1.0  # above the face
    inputs.output[:, :, 16, 16] = 1.0  # within
    side = face_crop(inputs.output).shape[2] * face_crop(inputs.output).shape[3]
    assert Pixel(weight=1).value(inputs)[0] == pytest.approx((2 * 32 + 1) / 32**2)
    assert Pixel(weight=1, region="face").value(inputs)[0] == pytest.approx(1 / side)


def test_the_perceptual_loss_compares_the_same_crops(make):
    inputs = make()
    distance = inputs.context.perceptual
    face = Perceptual(weight=1, region="face").value(inputs)[0]
    expected = distance(face_crop(inputs.output), face_crop(inputs.source)).mean()
    torch.testing.assert_close(face, expected)
    full = Perceptual(weight=1).value(inputs)[0]
    torch.testing.assert_close(full, distance(inputs.output, inputs.source).mean())


def test_age_is_a_squared_error_in_centuries(make):
    inputs = make(target_age=torch.tensor([40.0, 60.0, 20.0, 30.0]))
    inputs.memo["years"] = torch.tensor([40.0, 50.0, 40.0, 30.0])
    value, metrics = Ageing(weight=5).value(inputs)
    assert value == pytest.approx((0.1**2 + 0.2**2) / 4)
    assert metrics["years"] == pytest.approx((10 + 20) / 4)


def test_the_gradient_moves_the_age_to_the_target(make):
    inputs = make()
    inputs.output.requires_grad_()
    value, _ = Ageing(weight=1).value(inputs)
    value.backward()
    better = make(output=(inputs.output - 3 * inputs.output.grad).detach())
    assert Ageing(weight=1).value(better)[0] < value


def test_the_laplacian_loss_ignores_a_constant_shift(make):
    inputs = make()
    lighter = make(output=inputs.source + 0.3)
    assert Laplacian(weight=1).value(lighter)[0] == pytest.approx(0, abs=1e-6)
    assert Pixel(weight=1).value(lighter)[0] == pytest.approx(0.09, rel=1e-4)


def test_an_edge_out_of_place_counts_more_by_laplacian_than_by_pixels(make):
    source = torch.zeros(4, 3, 32, 32)
    source[..., 16:] = 1.0
    moved = torch.zeros_like(source)
    moved[..., 17:] = 1.0
    shaded = source + Pixel(weight=1).value(make(source=source, output=moved))[0].sqrt()
    by_edge, by_shade = (
        Laplacian(weight=1).value(make(source=source, output=output))[0]
        for output in (moved, shaded)
    )
    assert by_edge > 10 * by_shade


def test_the_bands_of_a_pyramid_leave_out_what_is_coarse():
    waves = torch.arange(32.0)
    fine = (torch.pi * waves).cos().expand(1, 1, 32, 32)
    coarse = (torch.pi * waves / 16).cos().expand(1, 1, 32, 32)
    strength = {
        name: [float(band.abs().mean()) for band in pyramid(picture, 2)]
        for name, picture in (("fine", fine), ("coarse", coarse))
    }
    assert strength["fine"][0] > 5 * strength["fine"][1]
    assert strength["coarse"][0] < 0.1


def test_texture_of_equal_strength_elsewhere_is_as_good_and_blur_is_not(make):
    torch.manual_seed(0)
    grain = 0.2 * torch.randn(4, 3, 32, 32)
    other = make(source=grain, output=grain.flip(3))
    flat = make(source=grain, output=torch.zeros_like(grain))
    texture = Texture(weight=1)
    assert texture.value(other)[0] < 0.4 * texture.value(flat)[0]
    assert texture.value(make(source=grain, output=grain))[0] == pytest.approx(0, abs=1e-6)
