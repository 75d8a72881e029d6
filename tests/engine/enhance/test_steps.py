"""The steps alone: tiles by memory, colours by strips, changes of faces."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.enhance.base import ENHANCERS
from engine.enhance.colour import ab_rows, chroma, lay_colours, own_colour
from engine.enhance.faces import change_face, changed_crop, cut_face
from engine.enhance.steps.esrgan import bytes_per_pixel, tile_for
from engine.geometry.ffhq import Quad
from engine.images.lab import to_lab
from engine.images.ranges import to_floats
from engine.images.raster import Raster
from tests.engine.enhance.conftest import compact

CPU = torch.device("cpu")
RANDOM = np.random.default_rng(0)


def esrgan(path, **more):
    choice = ENHANCERS["esrgan"](kind="esrgan", weights=str(path), **more)
    return choice.build(choice.model(CPU), CPU)


def test_the_tile_follows_the_memory():
    per_pixel = bytes_per_pixel(compact(2, width=32), CPU)
    assert per_pixel == pytest.approx(3 * 32 * 4, rel=0.01)
    assert tile_for(per_pixel * (96 + 32) ** 2, per_pixel, 16) == 96
    assert tile_for(10**15, per_pixel, 16) == 512
    assert tile_for(1, per_pixel, 16) == 32


@pytest.mark.parametrize(
    "failure",
    [
        torch.OutOfMemoryError("no"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_a_tile_that_does_not_fit_is_halved(compact_file, failure):
    step, sizes = esrgan(compact_file, tile=128), []
    net = step._enlarge

    def tight(tile):
        sizes.append(tuple(tile.shape[2:]))
        if tile.shape[2] * tile.shape[3] > 10_000:
            raise failure
        return net(tile)

    step._enlarge = tight
    pixels = RANDOM.integers(0, 256, (150, 90, 3)).astype(np.uint8)
    made = step.apply(Raster(pixels))
    assert made.used == {"tile": 64}
    assert sizes == [(150, 90), *[(95, 90)] * 2]
    fresh = esrgan(compact_file, tile=64).apply(Raster(pixels)).picture.pixels
    assert np.array_equal(made.picture.pixels, fresh)
    with pytest.raises(MemoryError, match="a tile of 32 px"):
        step._enlarge = lambda tile: (_ for _ in ()).throw(MemoryError())
        step.apply(Raster(pixels))


def test_a_picture_that_fits_is_the_plain_call(compact_file):
    step = esrgan(compact_file)
    pixels = RANDOM.integers(0, 256, (70, 110, 3)).astype(np.uint8)
    made = step.apply(Raster(pixels)).picture.pixels
    with torch.inference_mode():
        plain = compact()((to_floats(pixels) + 1) / 2).clamp(0, 1)[0] * 255
    off = torch.from_numpy(made).float() - plain.permute(1, 2, 0)
    assert off.abs().max() <= 0.5 + 1e-2  # rounded to a level


def test_half_precision_moves_pixels_by_few_levels(compact_file):
    pixels = RANDOM.integers(0, 256, (70, 110, 3)).astype(np.uint8)
    full, half = (
        esrgan(compact_file, precision=p).apply(Raster(pixels)).picture.pixels.astype(float)
        for p in ("float32", "bfloat16")
    )
    assert 0 < np.abs(full - half).mean() < 1
    assert np.abs(full - half).max() < 8


def test_other_failures_are_not_taken_for_want_of_memory(compact_file):
    step = esrgan(compact_file, tile=64)
    step._enlarge = lambda tile: (_ for _ in ()).throw(RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        step.apply(Raster(np.zeros((40, 40, 3), np.uint8)))


def test_an_earlier_tile_is_used_again(compact_file):
    pixels = RANDOM.integers(0, 256, (80, 80, 3)).astype(np.uint8)
    assert esrgan(compact_file).apply(Raster(pixels), {"tile": 48}).used == {"tile": 48}


def test_rows_of_colour_are_those_of_the_whole():
    ab = torch.randn(1, 2, 9, 13)
    whole = F.interpolate(ab, (50, 70), mode="bilinear", align_corners=False)
    rows = torch.cat([ab_rows(ab, top, top + 10, 50, 70) for top in range(0, 50, 10)], dim=2)
    assert (rows - whole).abs().max() < 1e-4


def test_colours_come_smoothly_and_leave_the_light(monkeypatch):
    monkeypatch.setattr("engine.enhance.colour.STRIP", 64 * 7)
    gray = np.repeat(RANDOM.integers(90, 170, (60, 64, 1)).astype(np.uint8), 3, axis=2)
    ab = torch.tensor([[-12.0, 12.0], [8.0, -8.0]]).reshape(1, 2, 1, 2)
    made = lay_colours(Raster(gray), ab, 1.0).pixels
    lab = to_lab(to_floats(made))[0]
    assert (lab[0] - to_lab(to_floats(gray))[0, 0]).abs().max() < 0.5
    # Nearest would step once in the middle; bilinear climbs.
    across = lab[1].mean(dim=0)
    assert across.diff().abs().max() < 3
    assert across[0] == pytest.approx(-12, abs=1)
    assert across[-1] == pytest.approx(12, abs=1)


def test_the_gain_multiplies_the_chroma():
    gray = Raster(np.full((20, 20, 3), 128, np.uint8))
    ab = torch.full((1, 2, 4, 4), 10.0)
    assert chroma(lay_colours(gray, ab, 1.0)) == pytest.approx(14.1, abs=0.5)
    assert chroma(lay_colours(gray, ab, 2.0)) == pytest.approx(28.3, abs=0.7)
    assert chroma(lay_colours(gray, ab, 0.0)) < 0.3


def test_a_tone_is_no_colour(portrait):
    gray = portrait.mean(axis=2, keepdims=True)
    sepia = Raster(np.rint(gray * (1, 0.85, 0.65)).astype(np.uint8))
    assert chroma(sepia) > 8
    assert own_colour(sepia) < 1
    assert own_colour(Raster(portrait)) > 4


@pytest.mark.parametrize("side", [40, 200, 900])
def test_a_change_of_the_face_arrives_where_the_face_is(side):
    picture = Raster(np.full((1000, 1000, 3), 100, np.uint8))
    quad = Quad.of([[300, 300], [300, 300 + side], [300 + side, 300 + side], [300 + side, 300]])
    change = np.full((64, 64, 3), 20, np.float32)
    change_face(picture, change, quad, 0.5)
    centre = int(300 + side / 2)
    assert np.abs(picture.pixels[centre, centre].astype(int) - 110).max() <= 1
    assert (picture.pixels[:295] == 100).all()
    assert (picture.pixels[300, 300] == 100).all()
    inside = cut_face(picture, quad, 64)
    assert abs(float(inside[24:40, 24:40].mean()) - 110) < 1


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_the_guard_sees_what_the_picture_becomes(portrait, strength):
    picture = Raster(portrait.copy())
    quad = Quad.of([[30, 30], [28, 150], [148, 152], [150, 32]])
    change = np.asarray(RANDOM.uniform(-40, 40, (4, 4, 3)), np.float32)
    change = np.kron(change, np.ones((32, 32, 1), np.float32))
    foreseen = changed_crop(cut_face(picture, quad, 256), change, strength)
    change_face(picture, change, quad, strength)
    off = foreseen.astype(float) - cut_face(picture, quad, 256)
    assert np.abs(off).mean() < 1


def test_what_lies_beyond_the_network_s_resolution_stays():
    """A pattern finer than a 16-px crop can show is still there after its face was changed."""
    grid = (np.indices((600, 600)).sum(axis=0) % 2 * 40 + 100).astype(np.uint8)
    picture = Raster(np.repeat(grid[..., None], 3, axis=2))
    quad = Quad.frame(600, 600)
    change_face(picture, np.full((16, 16, 3), 30, np.float32), quad, 1.0)
    middle = picture.pixels[290:310, 290:310].astype(int)
    assert np.abs(np.diff(middle[..., 0], axis=1)).mean() > 35
    assert middle.mean() == pytest.approx(150, abs=2)
