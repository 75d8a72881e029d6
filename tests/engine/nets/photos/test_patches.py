import pytest
import torch

from engine.nets.photos.patches import AgePatchDiscriminator, skin_planes, smoothed


def faces(count=2, size=64):
    generator = torch.Generator().manual_seed(2)
    picture = torch.rand(count, 3, size, size, generator=generator) * 2 - 1
    mask = torch.zeros(count, 1, size, size)
    mask[:, :, 10:50, 12:52] = 1
    return picture, mask


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda x: x * 0.5 + 0.2, True),  # exposure and contrast
        (lambda x: x.flip(1), True),  # colour
        (lambda x: smoothed(x, 1.5), False),
        (lambda x: x.flip(3), False),
    ],
)
def test_skin_is_seen_without_its_exposure_and_colour(change, same):
    picture, mask = faces()
    before, after = skin_planes(picture, mask), skin_planes(change(picture), mask)
    assert ((before - after).abs().mean() < 0.02) == same


def test_nothing_outside_the_mask_is_seen():
    picture, mask = faces()
    other = torch.where(mask > 0, picture, -picture)
    assert torch.equal(skin_planes(picture, mask), skin_planes(other, mask))


def test_the_age_changes_the_logits_of_every_scale():
    torch.manual_seed(0)
    net = AgePatchDiscriminator().eval()
    skin = skin_planes(*faces())
    young, old = (net(skin, torch.full((2,), age)) for age in (30.0, 80.0))
    assert [tuple(one.shape) for one in young] == [(2, 64), (2, 16)]
    assert all((a - b).abs().max() > 1e-4 for a, b in zip(young, old, strict=True))


def test_each_picture_has_its_own_blur():
    picture, _ = faces()
    both = smoothed(picture, torch.tensor([0.3, 1.4]))
    assert torch.allclose(both[0], smoothed(picture[:1], 0.3)[0], atol=1e-6)
    assert torch.allclose(both[1], smoothed(picture[1:], 1.4)[0], atol=1e-6)
