import pytest
import torch

from engine.landscapes.losses.augmentation import adapted, changed

KINDS = ("translation", "cutout", "flip")


@pytest.fixture
def pictures():
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def told(**columns):
    """Numbers of four pictures; what is not named does nothing."""
    rows = torch.full((4, 8), 0.5)
    for column, value in columns.items():
        rows[:, int(column[1:])] = value
    return rows


def test_a_picture_moves_by_whole_pixels_and_grey_comes_in(pictures):
    # 0.75 is half of an eighth of the side to the right, 0.25 as much upwards.
    found = changed(pictures, ("translation",), told(c1=0.75, c2=0.25))
    assert torch.equal(found[..., :-1, 1:], pictures[..., 1:, :-1])
    assert not found[..., :, 0].any()
    assert not found[..., -1, :].any()


def test_a_hole_is_half_a_side_wide(pictures):
    found = changed(pictures, ("cutout",), told(c3=0.0, c4=0.5, c5=0.5))
    assert not found[..., 4:12, 4:12].any()
    assert torch.equal(found[..., :4, :], pictures[..., :4, :])


def test_a_mirror_image_comes_up_half_of_the_time(pictures):
    assert torch.equal(changed(pictures, ("flip",), told(c6=0.4)), pictures.flip(3))
    assert torch.equal(changed(pictures, ("flip",), told(c6=0.6)), pictures)


@pytest.mark.parametrize("chance", [0.0, torch.zeros(())])
def test_without_a_chance_nothing_changes(pictures, chance):
    rows = torch.rand(4, 8)
    assert torch.equal(changed(pictures, KINDS, rows, chance), pictures)


def test_changes_have_a_second_slope(pictures):
    seen = pictures.clone().requires_grad_(True)
    found = changed(seen, KINDS, torch.rand(4, 8))
    (slope,) = torch.autograd.grad(found.square().sum(), seen, create_graph=True)
    slope.square().sum().backward()
    # Of every pixel that is left, 2x has the square's slope 8x.
    assert torch.allclose(seen.grad, torch.where(slope != 0, 8 * seen, 0))


def test_colours_stay(pictures):
    grey = torch.full_like(pictures, 0.3)
    found = changed(grey, KINDS, torch.rand(4, 8))
    assert torch.all((found == 0) | (found == grey))


def test_the_chance_rises_while_real_pictures_are_known_too_surely():
    chance = torch.tensor(0.5)
    sure, unsure = torch.ones(8), torch.tensor([1.0, -1.0] * 4)
    assert adapted(chance, sure, target=0.6, pictures=50, slow=500) == pytest.approx(0.6)
    assert adapted(chance, unsure, target=0.6, pictures=50, slow=500) == pytest.approx(0.4)
    assert adapted(torch.zeros(()), unsure, target=0.6, pictures=50, slow=500) == 0
    assert adapted(torch.tensor(0.85), sure, target=0.6, pictures=50, slow=500) == 0.85
