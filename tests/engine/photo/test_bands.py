import numpy as np
import pytest

from engine.photo.bands import SIGMAS, blurred, detail_bands, log_energy


def test_bands_add_up_to_the_picture():
    picture = np.random.default_rng(0).normal(50, 10, (120, 90)).astype(np.float32)
    bands, rest = detail_bands(picture)
    assert sum(bands) + rest == pytest.approx(picture, abs=1e-3)


@pytest.mark.parametrize("sigma", [3.0, 9.6, 24.0])
def test_the_quick_blur_is_a_gaussian(sigma):
    impulse = np.zeros((241, 241), np.float32)
    impulse[120, 120] = 1
    soft = blurred(impulse, sigma)
    _y, x = np.mgrid[-120:121, -120:121]
    assert soft.sum() == pytest.approx(1, abs=0.02)
    assert np.sqrt((soft * x**2).sum() / soft.sum()) == pytest.approx(sigma, rel=0.08)


def test_a_wave_shows_in_the_band_of_its_size():
    x = np.arange(256, dtype=np.float32)[None].repeat(320, axis=0)
    for band, sigma in enumerate(SIGMAS):
        energy = log_energy(10 * np.sin(x / (0.62 * sigma))).mean(axis=(0, 1))
        assert energy.argmax() == band


def test_bands_mean_the_same_at_twice_the_resolution():
    x = np.linspace(0, 60, 256, dtype=np.float32)[None].repeat(320, axis=0)
    wide = np.linspace(0, 60, 512, dtype=np.float32)[None].repeat(640, axis=0)
    small, _ = detail_bands(np.sin(x))
    large, _ = detail_bands(np.sin(wide), 2.0)
    for a, b in zip(small, large, strict=True):
        assert a[20:-20, 20:-20].std() == pytest.approx(b[40:-40, 40:-40].std(), rel=0.1, abs=0.01)
