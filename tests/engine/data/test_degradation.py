import numpy as np
import pytest
import torch

from engine.data.degradation import Degradation, degraded, degraded_pixels
from engine.runtime.draws import Draws

CLEAN = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def degrade(how, positions=range(6), step=0, size=32):
    pictures = CLEAN[positions.start : positions.stop]
    return degraded(pictures, how, size, Draws(5, step, positions))


def test_the_draws_belong_to_the_position():
    whole = degrade(Degradation())
    assert torch.equal(whole, degrade(Degradation()))
    assert torch.equal(whole[2:5], degrade(Degradation(), range(2, 5)))
    assert not torch.equal(whole, degrade(Degradation(), step=1))


@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
def test_pictures_stay_pictures(severity):
    output = degrade(Degradation(severity=severity), size=48)
    assert output.shape == (6, 3, 48, 48)
    assert output.abs().max() <= 1
    assert output.std() > 0.01


def test_severity_degrades_more():
    smooth = torch.nn.functional.interpolate(CLEAN[:, :, :8, :8], (64, 64), mode="bicubic")
    smooth = smooth.clamp(-1, 1)
    errors = [
        float((degraded(smooth, Degradation(severity=s), 64, Draws(1, 0, range(6))) - smooth)
              .square().mean())
        for s in (0.0, 0.4, 1.0)
    ]  # fmt: skip
    assert errors[0] < errors[1] < errors[2]


def test_gray_removes_the_colours():
    output = degrade(Degradation(gray=1.0, severity=0.3))
    assert (output.amax(dim=1) - output.amin(dim=1)).max() < 1e-5


def test_one_picture_by_its_seed():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 80, 3)).astype(np.uint8)
    one = degraded_pixels(pixels, Degradation(), (32, 40), 7)
    assert one.shape == (32, 40, 3)
    assert np.array_equal(one, degraded_pixels(pixels, Degradation(), (32, 40), 7))
    assert not np.array_equal(one, degraded_pixels(pixels, Degradation(), (32, 40), 8))


def test_what_has_no_share_changes_nothing():
    none = {"blurred": 0, "noised": 0, "coded": 0, "scale": (1.0, 1.0)}
    how = Degradation(first=none, second=none, last_sinc=0, saved=1)
    assert (degrade(how, size=64) - CLEAN).abs().max() < 1e-6
    untouched = degrade(Degradation(untouched=1.0), size=64)
    assert (untouched - CLEAN).abs().max() < 1e-6
    grainy = how.model_copy(update={"grainy": 1.0})
    assert 0.001 < (degrade(grainy, size=64) - CLEAN).std() < 0.3


def test_a_saved_picture_has_the_blocks_of_its_file():
    smooth = torch.linspace(-1, 1, 64).expand(6, 3, 64, 64).contiguous()
    none = {"blurred": 0, "noised": 0, "coded": 0, "scale": (1.0, 1.0)}
    file = {**none, "coded": 1, "jpeg": (5.0, 5.0)}
    how = Degradation(first=none, second=file, twice=0, last_sinc=0, saved=1)
    steps = degraded(smooth, how, 32, Draws(1, 0, range(6))).diff(dim=3).abs().mean((0, 1, 2))
    edges = steps[7::8].mean()
    inside = torch.cat([steps[i::8] for i in range(7)]).mean()
    assert edges > 2 * inside
