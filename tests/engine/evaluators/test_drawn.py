"""Drawn faces are told from photographs whatever light they are in."""

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from engine.evaluators.drawn import THRESHOLD, drawn_score, is_drawn
from engine.faces.descriptor import describe_aligned, describe_face
from engine.faces.detect import FaceFinder
from engine.worlds import portraits

SPOILT = {
    "plain": lambda p: p,
    "blurred": lambda p: cv2.GaussianBlur(p, (0, 0), 3),
    "dark": lambda p: (p * 0.15).astype(np.uint8),
    "pale": lambda p: (p * 0.5 + 115).astype(np.uint8),
    "grey": lambda p: np.repeat(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_photograph_is_not_drawn(spoil):
    (face,) = FaceFinder().find(astronaut())
    assert not is_drawn(describe_face(spoil(astronaut()), face))


@pytest.mark.parametrize("number", range(4))
def test_a_drawn_face_is_drawn(number):
    seed = 902_400 + number
    drawn = portraits.render(
        portraits.identity(seed), 20 + 18.0 * number, portraits.scene(seed), 256
    )
    for name in ("plain", "blurred", "grey"):
        assert is_drawn(describe_aligned(SPOILT[name](drawn.picture), drawn.landmarks))


def test_the_score_is_linear_in_the_descriptor(rng):
    one, other = rng.normal(0, 0.1, (2, 128)).astype(np.float32)
    between = drawn_score((one + other) / 2)
    assert between == pytest.approx((drawn_score(one) + drawn_score(other)) / 2, abs=1e-4)
    assert is_drawn(one) == (drawn_score(one) < THRESHOLD)
