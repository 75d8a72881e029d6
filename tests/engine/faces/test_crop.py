"""A crop shows what FFHQ's own procedure shows, at any ratio, without aliasing."""

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from engine.core.errors import PictureError
from engine.faces.crop import crop_face, padding_share
from engine.geometry.ffhq import Quad


def square(centre, side, angle=0.0):
    turn = np.radians(angle)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]) * side / 2
    return Quad(corners @ spin.T + centre)


def published_crop(pixels, quad, size, transform_size):
    """`align_face` of FFHQ from the quad on: shrink, crop, pad, PIL QUAD, Lanczos."""
    image, quad, side = Image.fromarray(pixels), quad.corners.copy(), quad.side
    shrink = int(np.floor(side / size * 0.5)) if transform_size == size else 1
    if shrink > 1:
        reduced = tuple(int(np.rint(n / shrink)) for n in image.size)
        image, quad, side = (
            image.resize(reduced, Image.Resampling.LANCZOS),
            quad / shrink,
            side / shrink,
        )
    border = max(int(np.rint(side * 0.1)), 3)
    reach = [*np.floor(quad.min(0)).astype(int), *np.ceil(quad.max(0)).astype(int)]
    low = [max(value - border, 0) for value in reach[:2]]
    high = [min(value + border, most) for value, most in zip(reach[2:], image.size, strict=True)]
    crop = (*low, *high)
    image, quad = image.crop(crop), quad - crop[0:2]
    reach = [*np.floor(quad.min(0)).astype(int), *np.ceil(quad.max(0)).astype(int)]
    pad = np.array([max(-reach[0] + border, 0), max(-reach[1] + border, 0),
                    max(reach[2] - image.size[0] + border, 0),
                    max(reach[3] - image.size[1] + border, 0)])  # fmt: skip
    if max(pad) > border - 4:
        pad = np.maximum(pad, int(np.rint(side * 0.3)))
        wide = np.pad(np.float32(image), ((pad[1], pad[3]), (pad[0], pad[2]), (0, 0)), "reflect")
        h, w, _ = wide.shape
        y, x, _ = np.ogrid[:h, :w, :1]
        mask = np.maximum(
            1.0 - np.minimum(np.float32(x) / pad[0], np.float32(w - 1 - x) / pad[2]),
            1.0 - np.minimum(np.float32(y) / pad[1], np.float32(h - 1 - y) / pad[3]),
        )
        blurred = cv2.GaussianBlur(wide, (0, 0), side * 0.02, borderType=cv2.BORDER_REFLECT)
        wide += (blurred - wide) * np.clip(mask * 3.0 + 1.0, 0.0, 1.0)
        wide += (np.median(wide, axis=(0, 1)) - wide) * np.clip(mask, 0.0, 1.0)
        image = Image.fromarray(np.uint8(np.clip(np.rint(wide), 0, 255)), "RGB")
        quad = quad + pad[:2]
    image = image.transform(
        (transform_size, transform_size),
        Image.Transform.QUAD,
        (quad + 0.5).flatten().tolist(),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))


def psnr(one, other):
    error = np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2)
    return 10 * np.log10(255**2 / max(error, 1e-12))


def enlarged(times):
    return cv2.resize(astronaut(), None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("angle", [0, 13, -40])
@pytest.mark.parametrize("ratio", [0.6, 1.0, 1.4, 2.3, 3.5, 5.0, 9.0])
def test_the_crop_agrees_with_a_four_times_supersampled_twin(ratio, angle):
    pixels, size = enlarged(4), 128
    quad = square((900, 600), size * ratio, angle)
    twin = published_crop(pixels, quad, size, transform_size=8 * size)
    assert psnr(crop_face(pixels, quad, size), twin) > 36


@pytest.mark.parametrize("centre", [(60, 80), (500, 30), (256, 500)])
@pytest.mark.parametrize("side", [200, 420])
def test_padding_agrees_with_the_published_padding(centre, side):
    quad = square(centre, side, 8)
    twin = published_crop(astronaut(), quad, 256, transform_size=1024)
    ours = crop_face(astronaut(), quad, 256)
    assert 0.02 < padding_share(quad, 512, 512) < 0.8
    assert psnr(ours, twin) > 33


def zone_plate(side):
    """Rings whose frequency grows from 0 in the middle to 0.5 cycles a pixel at the borders."""
    x = np.arange(side) - (side - 1) / 2
    radius = x[None, :] ** 2 + x[:, None] ** 2
    plate = 127.5 + 127.5 * np.cos(np.pi * radius / side)
    return np.repeat(np.rint(plate)[..., None], 3, axis=2).astype(np.uint8)


def naive_crop(pixels, quad, size):
    corners = (quad.corners + 0.5).flatten().tolist()
    image = Image.fromarray(pixels)
    how = Image.Resampling.BILINEAR
    return np.asarray(image.transform((size, size), Image.Transform.QUAD, corners, how))


def aliasing(crop, ratio, side):
    """Root mean square contrast, in levels, where every ring is too fine for the output."""
    size = crop.shape[0]
    x = (np.arange(size) + 0.5 - size / 2) * ratio
    radius = np.sqrt(x[None, :] ** 2 + x[:, None] ** 2)
    frequency = radius / side
    # 1.3 times the Nyquist limit of the output, and short of the limit of the plate itself.
    beyond = (frequency * ratio > 0.65) & (frequency < 0.45)
    assert beyond.sum() > 1000
    return float(crop[..., 0][beyond].astype(np.float64).std())


@pytest.mark.parametrize("angle", [0, 30])
@pytest.mark.parametrize("ratio", [2.0, 2.9, 3.9, 5.5, 8.0, 15.0])
def test_a_zone_plate_shows_no_aliasing_where_naive_bilinear_does(ratio, angle):
    size = 180
    side = round(1.1 * ratio * size)
    pixels = zone_plate(side)
    quad = square(((side - 1) / 2, (side - 1) / 2), ratio * size, angle)
    crops = {"ours": crop_face(pixels, quad, size), "naive": naive_crop(pixels, quad, size)}
    levels = {name: aliasing(crop, ratio, side) for name, crop in crops.items()}
    # FFHQ's own 4096-then-Lanczos leaves 2 to 14 levels here; straight bilinear 35 to 90.
    assert levels["ours"] < 10
    assert levels["naive"] > 30


@pytest.mark.parametrize("period", [2.0, 2.5, 3.0, 4.4])
def test_fine_stripes_become_even_grey(period):
    wave = 127.5 + 127.5 * np.sin(2 * np.pi * np.arange(1500) / period + 0.4)
    pixels = np.broadcast_to(np.rint(wave)[None, :, None], (1500, 1500, 3)).astype(np.uint8)
    crop = crop_face(pixels, square((750, 750), 1200, 3), 180)
    assert crop.std() < 3


def test_a_plain_crop_at_ratio_one_is_the_picture_itself():
    pixels = astronaut()
    quad = Quad.frame(100, 100).moved(200, 150)
    np.testing.assert_array_equal(crop_face(pixels, quad, 100), pixels[150:250, 200:300])


def test_corners_of_the_quad_land_on_the_corners_of_the_crop():
    pixels = np.full((400, 400, 3), 100, np.uint8)
    quad = square((200, 200), 200, 30)
    x, y = (round(v) for v in quad.source_points([[0.1, 0.2]])[0])
    cv2.circle(pixels, (x, y), 3, (255, 0, 0), -1)
    crop = crop_face(pixels, quad, 200)
    rows, columns = np.nonzero(crop[..., 0] > 180)
    assert columns.mean() == pytest.approx(20, abs=1)
    assert rows.mean() == pytest.approx(40, abs=1)


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (900, 3), (40, 40)])
def test_quads_much_larger_than_the_picture_are_filled(shape):
    pixels = np.full((*shape, 3), 77, np.uint8)
    crop = crop_face(pixels, square((shape[1] / 2, shape[0] / 2), 700, 10), 64)
    assert crop.shape == (64, 64, 3)
    assert crop.min() >= 75
    assert crop.max() <= 79


def test_a_quad_beside_the_picture_is_a_reason():
    with pytest.raises(PictureError, match="lies outside the picture"):
        crop_face(astronaut(), square((5000, 5000), 100), 64)


def test_the_padding_share_is_the_share_of_area_outside():
    assert padding_share(square((50, 50), 60), 100, 100) == 0
    assert padding_share(Quad.frame(100, 100), 100, 100) == 0
    assert padding_share(square((-0.5, 50), 60), 100, 100) == pytest.approx(0.5, abs=0.01)
    assert padding_share(square((-0.5, -0.5), 60), 100, 100) == pytest.approx(0.75, abs=0.01)


def test_the_picture_is_left_untouched():
    pixels = astronaut()
    before = pixels.copy()
    crop_face(pixels, square((30, 40), 300, 5), 128)
    np.testing.assert_array_equal(pixels, before)
