import numpy as np
import pytest
from PIL import Image

from engine.images.saving import png_bytes, provenance_of, save_png


def grainy(side=200):
    """A slope with the grain of a photograph."""
    slope = np.linspace(60, 180, side)[:, None, None]
    return np.clip(np.random.default_rng(0).normal(slope, 6, (side, side, 3)), 0, 255).astype("u1")


@pytest.mark.parametrize("photograph", [False, True])
def test_pixels_and_provenance_come_back(tmp_path, photograph):
    pixels, path = grainy(40), tmp_path / "a.png"
    save_png(path, pixels, {"made": "re-aged"}, photograph=photograph)
    with Image.open(path) as picture:
        assert np.array_equal(np.asarray(picture), pixels)
    provenance = provenance_of(path)
    assert provenance is not None
    assert provenance["made"] == "re-aged"


def test_a_photograph_is_hardly_larger_for_being_packed_quickly():
    pixels = grainy()
    assert len(png_bytes(pixels, {}, photograph=True)) < 1.15 * len(png_bytes(pixels, {}))
