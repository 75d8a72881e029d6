from itertools import pairwise

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


def whole(net, source):
    return net(to_floats(source))[0].permute(1, 2, 0).numpy()


def by_tiles(net, source, scale, tiling):
    """The result, and the shapes of what the network got."""
    target = np.full((source.shape[0] * scale, source.shape[1] * scale, 3), np.nan, np.float32)
    shapes = []

    def counted(tile):
        shapes.append(tuple(tile.shape[2:]))
        return net(tile)

    with torch.inference_mode():
        tiled(source, target, counted, tiling)
    return target, shapes


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("size", [(97, 61), (64, 64), (40, 130), (17, 9), (1, 200), (200, 1)])
def test_tiles_equal_the_whole_where_the_context_covers_the_receptive_field(scale, size):
    """To the last pixel of the border, which the network pads as it does by itself."""
    net = Small(scale).eval()
    source = RANDOM.uniform(-1, 1, (*size, 3)).astype(np.float32)
    made, shapes = by_tiles(net, source, scale, Tiling.of_side(16, pad=3, feather=6))
    assert max(h * w for h, w in shapes) <= 22**2
    with torch.inference_mode():
        assert np.abs(made - whole(net, source)).max() < 1e-4


def test_what_fits_goes_in_one_piece():
    net = Small(2).eval()
    source = RANDOM.uniform(-1, 1, (30, 120, 3)).astype(np.float32)
    made, shapes = by_tiles(net, source, 2, Tiling(30 * 120))
    assert shapes == [(30, 120)]
    with torch.inference_mode():
        assert np.array_equal(made, whole(net, source).clip(-1, 1))


@pytest.mark.parametrize(
    ("size", "area", "grid"),
    [
        ((410, 512), 544**2, (1, 1)),
        ((410, 512), 410 * 280, (1, 2)),
        ((512, 410), 410 * 280, (2, 1)),
        ((30, 5_000), 72**2, (1, 38)),
        ((1_000, 1_000), 520**2, (2, 2)),
    ],
)
def test_tiles_are_equal_and_cut_to_the_picture(size, area, grid):
    tiling = Tiling(area)
    assert tiling.grid(*size) == grid
    for length, count in zip(size, grid, strict=True):
        spans = list(tiling.spans(length, count))
        assert len({span.last - span.first for span in spans}) == 1
        assert (spans[0].first, spans[-1].last) == (0, length)
        shared = [one.last - other.first for one, other in pairwise(spans)]
        assert all(tiling.overlap <= overlap <= tiling.overlap + 2 for overlap in shared)
        for one, other in pairwise(spans):
            assert one.end - other.begin == tiling.feather
            assert min(one.last - one.end, other.begin - other.first) >= tiling.pad


@pytest.mark.parametrize("size", [(1, 1), (41, 41), (55, 3_001), (4_000, 70), (777, 555)])
@pytest.mark.parametrize("area", [41**2, 64**2, 50_000])
def test_no_tile_is_larger_than_allowed(size, area):
    tiling = Tiling(area)
    rows, columns = tiling.grid(*size)
    tall, wide = (next(tiling.spans(s, n)) for s, n in zip(size, (rows, columns), strict=True))
    assert (tall.last - tall.first) * (wide.last - wide.first) <= area


def test_a_tile_of_nothing_but_context_is_refused():
    with pytest.raises(ValueError, match="no tiling"):
        Tiling(40**2)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_bytes_are_what_floats_would_be(kind):
    source = RANDOM.integers(0, np.iinfo(kind).max + 1, (50, 70, 3)).astype(kind)
    target = np.zeros((100, 140, 3), kind)
    shapes = set()

    def nearest(tile):
        shapes.add(tuple(tile.shape))
        return F.interpolate(tile, scale_factor=2, mode="nearest")

    tiled(source, target, nearest, Tiling.of_side(24, pad=4, feather=8))
    assert np.array_equal(target, source.repeat(2, axis=0).repeat(2, axis=1))
    assert len(shapes) == 1


def test_seams_of_tiles_that_disagree_are_feathered():
    shades = iter(np.linspace(-0.5, 0.5, 9))
    source, target = np.zeros((60, 60, 3), np.float32), np.zeros((60, 60, 3), np.float32)
    tiled(source, target, lambda t: t * 0 + next(shades), Tiling.of_side(24, pad=0, feather=6))
    steps = max(np.abs(np.diff(target, axis=axis)).max() for axis in (0, 1))
    assert steps < 0.12  # neighbours differ by up to 0.375
