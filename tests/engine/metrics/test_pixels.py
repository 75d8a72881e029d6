import pytest
import torch

from engine.metrics.pixels import HIGHEST, psnr


def test_psnr_by_hand():
    # An error of 0.2 everywhere, peak 2: 10 log10(4 / 0.04).
    one = torch.zeros(1, 3, 4, 4)
    assert psnr(one, one + 0.2).item() == pytest.approx(20, abs=1e-4)


def test_every_picture_has_its_own_psnr():
    truth = torch.zeros(2, 3, 4, 4)
    output = truth + torch.tensor([0.2, 0.02]).view(2, 1, 1, 1)
    assert psnr(output, truth).tolist() == pytest.approx([20, 40], abs=1e-3)


def test_equal_pictures_have_that_of_rounding(faces):
    assert psnr(faces, faces).tolist() == pytest.approx([HIGHEST] * len(faces), abs=0.01)


def test_the_psnr_of_rounding_to_8_bits(noise):
    truth = noise(1, 3, 64, 64).clamp(-1, 1)
    stored = ((truth + 1) * 127.5).round() / 127.5 - 1
    assert psnr(stored, truth).item() == pytest.approx(HIGHEST, abs=1)


def test_psnr_is_symmetric(faces):
    assert torch.equal(psnr(faces, faces.flip(0)), psnr(faces.flip(0), faces))


def test_pictures_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="no pairs"):
        psnr(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 8, 8))
