"""The cost of texture that a refiner strews over the skin."""

import pytest
import torch

from engine.trainings.photo_refiner.texture import added_energy


def skin(seed=0, grain=0.05):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(1, 1, 96, 96)
    mask[..., 12:84, 12:84] = 1
    return grain * torch.randn(1, 3, 96, 96, generator=generator), mask


@pytest.mark.parametrize(
    ("change", "costs"),
    [
        (lambda x: x, False),
        (lambda x: x + 0.3, False),  # lighter
        (lambda x: 0.5 * x, False),  # smoother
        (lambda x: 1.03 * x, False),  # within what is allowed
        (lambda x: 1.6 * x, True),  # rougher everywhere
    ],
)
def test_only_added_texture_costs(change, costs):
    picture, mask = skin()
    assert (float(added_energy(picture, change(picture), mask, 0.1)) > 0.05) == costs


def test_a_crease_may_deepen_where_the_grain_about_it_goes():
    picture, mask = skin()
    picture[..., 46:48, 20:76] -= 0.2
    deeper = picture.clone()
    deeper[..., 46:48, 20:76] -= 0.05
    alone = float(added_energy(picture, deeper, mask, 0.1))
    calm = 0.2 * picture
    calm[..., 46:48, 20:76] = deeper[..., 46:48, 20:76]
    assert float(added_energy(picture, calm, mask, 0.1)) < 0.75 * alone


def test_what_is_no_skin_does_not_count():
    picture, mask = skin()
    other = torch.where(mask > 0, picture, 5 * picture)
    # Bands reach three pixels beyond the mask.
    inner = torch.nn.functional.avg_pool2d(mask, 15, 1, 7).floor()
    assert float(added_energy(picture, other, inner, 0.1)) == 0
