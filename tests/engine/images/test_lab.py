import cv2
import numpy as np
import torch
from skimage.color import rgb2lab

from engine.images.lab import from_lab, to_lab

# sRGB levels and their CIELAB under D65, from Lindbloom's calculator, to two decimals.
TABLE = {
    (255, 255, 255): (100.00, 0.00, 0.00),
    (0, 0, 0): (0.00, 0.00, 0.00),
    (255, 0, 0): (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    (0, 0, 255): (32.30, 79.19, -107.86),
    (128, 128, 128): (53.59, 0.00, 0.00),
}


def picture(levels):
    return torch.tensor(levels, dtype=torch.float32).reshape(1, 3, 1, 1) / 127.5 - 1


def test_lab_is_that_of_the_reference_table():
    for levels, lab in TABLE.items():
        assert torch.allclose(to_lab(picture(levels)).flatten(), torch.tensor(lab), atol=0.06)


def test_lab_is_that_of_other_libraries_and_comes_back():
    pixels = np.random.default_rng(0).random((32, 48, 3), np.float32)
    ours = torch.from_numpy(pixels).permute(2, 0, 1)[None] * 2 - 1
    lab = to_lab(ours)[0].permute(1, 2, 0).numpy()
    assert np.abs(lab - rgb2lab(pixels)).max() < 0.05
    # OpenCV reads its own off a table.
    assert np.abs(lab - cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)).max() < 0.6
    assert (from_lab(to_lab(ours)) - ours).abs().max() < 1e-3


def test_half_precision_around_it_changes_nothing():
    ours = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(to_lab(ours), to_lab(ours.clone()))
        inside = to_lab(ours)
    assert torch.equal(inside, to_lab(ours))
