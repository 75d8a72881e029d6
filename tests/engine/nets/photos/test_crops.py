"""The crops are those on which the networks were trained: dlib's chip to the level."""

from functools import cache

import dlib
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.images.ranges import to_tensor
from engine.nets.photos.crops import (
    BINOMIAL,
    Crop,
    _halved,
    dlib_chip,
    face_api_crop,
    mesh_crop,
    whole,
)

SIDE = 900


@cache
def scene(side=SIDE):
    """A picture of smooth waves, uint8 (side, side, 3)."""
    at = np.linspace(0, 1, side)
    rows, columns = np.meshgrid(at, at, indexing="ij")
    planes = [127 + 120 * np.sin(31 * rows + 5 * k) * np.cos(23 * columns - k) for k in range(3)]
    return np.stack(planes, 2).astype(np.uint8)


def face(centre=(450, 430), size=300.0, turn=0.0):
    """68 whole-numbered points of a frontal face, turned by radians about its centre."""
    jaw = [(-0.5 * np.cos(a), 0.62 * np.sin(a)) for a in np.linspace(0, np.pi, 17)]
    brows = [(x, -0.28) for x in np.linspace(-0.42, 0.42, 10)]
    nose = [(0, y) for y in np.linspace(-0.15, 0.1, 4)]
    nose += [(x, 0.16) for x in np.linspace(-0.12, 0.12, 5)]
    eyes = [
        (cx + 0.09 * np.cos(a), -0.14 - 0.04 * np.sin(a))
        for cx in (-0.22, 0.22)
        for a in np.linspace(np.pi, -np.pi, 7)[:6]
    ]
    mouth = [(0.18 * np.cos(a), 0.33 - 0.08 * np.sin(a)) for a in np.linspace(np.pi, -np.pi, 13)]
    inner = [(0.12 * np.cos(a), 0.33 - 0.03 * np.sin(a)) for a in np.linspace(np.pi, -np.pi, 9)]
    points = np.array([*jaw, *brows, *nose, *eyes, *mouth[:12], *inner[:8]]) * size
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.round(points @ spin.T + centre)


def tensor(points):
    return torch.from_numpy(points)[None]


@pytest.mark.parametrize(("size", "padding"), [(150, 0.25), (64, 0.2), (32, 0.2), (224, 0.35)])
@pytest.mark.parametrize("turn", [0.0, 0.4, -0.9])
@pytest.mark.parametrize("width", [60.0, 150.0, 420.0])
def test_a_chip_is_dlibs_own(size, padding, turn, width):
    pixels, points = scene(), face(size=width, turn=turn)
    parts = dlib.points([dlib.point(int(x), int(y)) for x, y in points])
    shape = dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), parts)
    wanted = dlib.get_face_chip(pixels, shape, size, padding).astype(float)
    crop = dlib_chip(tensor(points), size, padding).cut(to_tensor(pixels))
    levels = (crop[0].permute(1, 2, 0).numpy() + 1) * 127.5
    # dlib cuts fractions off, once for every halving and once for the chip.
    difference = levels - wanted
    inside = wanted.sum(2) > 0
    assert inside.mean() > 0.7
    assert difference[inside].min() > -0.01
    assert difference[inside].max() < 4
    assert np.abs(difference[inside]).mean() < 2.5


def test_outside_the_picture_a_chip_is_black():
    crop = dlib_chip(tensor(face(centre=(20, 20))), 64, 0.2).cut(to_tensor(scene()))
    assert crop[0, :, :10, :10].max() == -1
    far = dlib_chip(tensor(face(centre=(-5000, 9000))), 64, 0.2).cut(to_tensor(scene()))
    assert far.unique().tolist() == [-1]


def test_a_batch_of_faces_of_all_sizes_is_cut_like_one_by_one():
    pictures = torch.cat([to_tensor(scene()), to_tensor(scene()[::-1].copy())])
    points = torch.cat([tensor(face(size=70.0)), tensor(face(size=410.0, turn=0.3))])
    both = dlib_chip(points, 64, 0.2).cut(pictures)
    for number in (0, 1):
        picture, place = pictures[number : number + 1], points[number : number + 1]
        alone = dlib_chip(place, 64, 0.2).cut(picture)
        assert torch.allclose(both[number : number + 1], alone, atol=1e-5)


@pytest.mark.parametrize("width", [60.0, 400.0])
@pytest.mark.parametrize("cut", [lambda p: dlib_chip(p, 64, 0.2), lambda p: mesh_crop(p, 64)])
def test_gradients_reach_the_picture_and_the_points(cut, width):
    picture = to_tensor(scene()).requires_grad_()
    points = tensor(face(size=width)).requires_grad_()
    cut(points).cut(picture).square().mean().backward()
    for gradient in (picture.grad, points.grad):
        assert torch.isfinite(gradient).all()
        assert gradient.abs().sum() > 0


def test_the_gradient_of_a_cut_is_that_of_finite_differences():
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 12, 12, dtype=torch.float64).requires_grad_()
    crop = face_api_crop(tensor(face(centre=(6, 6), size=9.0)), 3)
    assert torch.autograd.gradcheck(crop.cut, (picture,))


def test_points_go_to_the_picture_and_the_mean_face_fits_its_points():
    crop = dlib_chip(tensor(face(turn=0.5)), 150, 0.25)
    corners = torch.tensor([[[0.0, 0.0], [149.0, 0.0], [149.0, 149.0]]], dtype=torch.float64)
    there = crop.points(corners)[0]
    sides = (there[1:] - there[:-1]).norm(dim=1)
    assert sides[0] == pytest.approx(float(sides[1]))  # a square stays a square
    along = there[1] - there[0]
    assert float(torch.atan2(along[1], along[0])) == pytest.approx(0.5, abs=0.03)


def test_face_apis_crop_is_an_upright_square_about_the_face():
    points = face()
    crop = face_api_crop(tensor(points), 112)
    assert crop.matrix[0, 0, 1] == crop.matrix[0, 1, 0] == 0
    height = points[8, 1] - points[17:27, 1].min()
    assert float(crop.matrix[0, 0, 0]) == pytest.approx(1.2 * height / 112)
    middle = crop.points(torch.tensor([[[55.5, 55.5]]], dtype=torch.float64))[0, 0]
    wanted = [(points[:, 0].min() + points[:, 0].max()) / 2, points[8, 1] - height / 2]
    assert middle.tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("turn", [0.0, 0.6, -1.2])
def test_the_mesh_sees_level_eyes_and_the_whole_head(turn):
    points = face(turn=turn)
    crop = mesh_crop(tensor(points), 192)
    inverse = torch.linalg.inv(crop.matrix[:, :, :2])
    inside = ((tensor(points) - crop.matrix[:, :, 2]) @ inverse.transpose(1, 2))[0]
    left, right = inside[36:42].mean(0), inside[42:48].mean(0)
    assert float(left[1]) == pytest.approx(float(right[1]), abs=0.5)
    assert right[0] > left[0]
    assert inside.min() > 15
    assert inside.max() < 177
    assert inside[17:27, 1].min() > 55  # there is room for a forehead


def test_whole_pictures_are_squeezed():
    picture = to_tensor(scene(300)[:200])
    assert whole(picture, 64).shape == (1, 3, 64, 64)
    assert whole(picture, 64).mean() == pytest.approx(float(picture.mean()), abs=0.01)


def test_a_crop_of_the_pixels_themselves_is_the_picture():
    picture = to_tensor(scene(64))
    matrix = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    assert torch.allclose(Crop(matrix, 64).cut(picture), picture, atol=1e-4)


@pytest.mark.parametrize("sides", [(64, 64), (37, 52), (5, 9), (4, 3)])
def test_halving_is_the_convolution_by_the_binomial_filter(sides):
    torch.manual_seed(0)
    light = torch.rand(2, 3, *sides, dtype=torch.float64)
    row = torch.tensor(BINOMIAL, dtype=torch.float64) / 16
    padded = F.pad(light, (0, max(0, 5 - sides[1]), 0, max(0, 5 - sides[0])))
    kernel = torch.outer(row, row).expand(3, 1, 5, 5)
    assert torch.allclose(_halved(light), F.conv2d(padded, kernel, stride=2, groups=3))
