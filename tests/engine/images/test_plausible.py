"""Blank, saturated and foreign pictures are refused; dark, pale and changed ones are not."""

import numpy as np
import pytest

from engine.core.errors import PictureError
from engine.images.plausible import require_plausible

RANDOM = np.random.default_rng(3)
SCENE = RANDOM.integers(40, 200, (90, 70, 3), np.uint8)


def scene(low=40, high=200, size=(90, 70)):
    ramp = np.linspace(low, high, size[0] * size[1]).reshape(size)
    return np.repeat(ramp[..., None], 3, axis=2).astype(np.uint8)


BLACK, WHITE = np.zeros((180, 140, 3), np.uint8), np.full((180, 140, 3), 255, np.uint8)
POSTER = np.repeat(np.repeat(RANDOM.integers(0, 2, (90, 70, 1)), 3, 2) * 255, 1, 0).astype(np.uint8)
NOISE = RANDOM.integers(0, 2, (180, 140, 3)).astype(np.uint8) * 255
"""Whose mean over any few pixels is grey."""
BLOCKS = np.kron(POSTER[:8, :8], np.ones((20, 20, 1), np.uint8))


@pytest.mark.parametrize(
    ("made", "source", "same", "reason"),
    [
        (BLACK, scene(), False, "blank"),
        (WHITE, scene(), False, "blank"),
        (BLACK + 93, scene(), True, "blank"),
        (BLOCKS, scene(), False, "100% is saturated"),
        (NOISE, scene(), False, "100% is saturated"),
        (scene()[::-1, ::-1], scene(), True, "another picture"),
        (255 - scene(0, 255), scene(0, 255), True, "another picture"),
        (BLACK, BLACK, True, None),
        (BLACK, BLACK[:1, :1], False, None),
        (scene(0, 12), scene(0, 8), True, None),
        (scene(size=(360, 280)), scene(), True, None),
        (scene(60, 230), scene(), True, None),
        (scene()[::-1, ::-1], scene(), False, None),
        (BLOCKS, BLOCKS, True, None),
        (NOISE, POSTER, False, None),
    ],
)
def test_pictures_that_their_source_does_not_explain(made, source, same, reason):
    if reason is None:
        require_plausible(made, source, same=same)
        return
    with pytest.raises(PictureError, match=reason):
        require_plausible(made, source, same=same)
