import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from engine.images.ranges import to_floats
from engine.images.tiles import Tiling, tiled

RANDOM = np.random.default_rng(0)


class Small(nn.Module):
    """Three convolutions: the receptive field reaches 3 px."""

    def __init__(self, scale):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.PReLU(),
            nn.Conv2d(8, 8, 3, padding=1), nn.PReLU(),
            nn.Conv2d(8, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale), nn.Tanh(),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x)


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("size", [(97, 61), (64, 64), (40, 130), (17, 9)])
def test_tiles_equal_the_whole_away_from_the_borders(scale, size):
    net = Small(scale).eval()
    source = RANDOM.uniform(-1, 1, (*size, 3)).astype(np.float32)
    target = np.full((size[0] * scale, size[1] * scale, 3), np.nan, np.float32)
    with torch.inference_mode():
        tiled(source, target, net, Tiling(tile=32, pad=8, feather=6))
        whole = net(to_floats(source))[0].permute(1, 2, 0).numpy()
    rim = 3 * scale
    assert np.isfinite(target).all()
    assert np.abs(target - whole)[rim:-rim, rim:-rim].max() < 1e-4


def test_borders_see_a_reflection():
    net = Small(1).eval()
    source = RANDOM.uniform(-1, 1, (40, 40, 3)).astype(np.float32)
    target = np.zeros_like(source)
    with torch.inference_mode():
        tiled(source, target, net, Tiling(tile=16, pad=4, feather=4))
        padded = F.pad(to_floats(source), (4,) * 4, mode="reflect")
        whole = net(padded)[0, :, 4:-4, 4:-4].permute(1, 2, 0).numpy()
    assert np.abs(target - whole).max() < 1e-4


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_bytes_are_what_floats_would_be(kind):
    source = RANDOM.integers(0, np.iinfo(kind).max + 1, (50, 70, 3)).astype(kind)
    target = np.zeros((100, 140, 3), kind)
    shapes = set()

    def nearest(tile):
        shapes.add(tuple(tile.shape))
        return F.interpolate(tile, scale_factor=2, mode="nearest")

    tiled(source, target, nearest, Tiling(tile=24, pad=4, feather=8))
    assert np.array_equal(target, source.repeat(2, axis=0).repeat(2, axis=1))
    assert shapes == {(1, 3, 32, 32)}


def test_seams_of_tiles_that_disagree_are_feathered():
    shades = iter(np.linspace(-0.5, 0.5, 9))
    source, target = np.zeros((60, 60, 3), np.float32), np.zeros((60, 60, 3), np.float32)
    tiled(source, target, lambda t: t * 0 + next(shades), Tiling(tile=24, pad=0, feather=6))
    steps = max(np.abs(np.diff(target, axis=axis)).max() for axis in (0, 1))
    assert steps < 0.12  # neighbours differ by up to 0.375
