import io

import cv2
import numpy as np
import pytest
from PIL import Image

from engine.images import png
from engine.images.png import write_png
from engine.images.raster import Raster

RANDOM = np.random.default_rng(0)


def raster(kind, alpha):
    high = np.iinfo(kind).max + 1
    pixels = RANDOM.integers(0, high, (37, 53, 3)).astype(kind)
    return Raster(pixels, RANDOM.integers(0, high, (37, 53)).astype(kind) if alpha else None)


def written(made, texts=None):
    file = io.BytesIO()
    write_png(file, made, {} if texts is None else texts)
    return file.getvalue()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("strip", [1, 1 << 21])
def test_every_depth_comes_back_as_it_was(kind, alpha, strip, monkeypatch):
    monkeypatch.setattr(png, "STRIP", strip)
    made = raster(kind, alpha)
    back = cv2.imdecode(np.frombuffer(written(made), np.uint8), cv2.IMREAD_UNCHANGED)
    assert back.dtype == kind
    assert np.array_equal(back[..., 2::-1], made.pixels)
    if alpha:
        assert np.array_equal(back[..., 3], made.alpha)


def test_a_text_of_any_script_comes_back():
    text = '{"who": "Жанна, 王"}'
    image = Image.open(io.BytesIO(written(raster(np.uint8, False), {"tm": text})))
    assert image.info["tm"] == text


def test_equal_pictures_give_equal_files():
    made = raster(np.uint8, True)
    assert written(made) == written(made)
    assert written(made) != written(Raster(made.pixels[::-1], made.alpha))
