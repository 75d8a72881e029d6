"""Drawn faces are known from photographs whatever light they are in."""

import cv2
import numpy as np
import pytest
import torch
from skimage.data import astronaut

from engine.evaluators.drawn import THRESHOLD, DomainClassifier, domain_of, drawn_score
from engine.faces.descriptor import describe_aligned, describe_face
from engine.faces.detect import FaceFinder
from engine.images.ranges import to_tensor
from engine.nets.photos.crops import dlib_chip
from engine.worlds import portraits

SPOILT = {
    "plain": lambda p: p,
    "blurred": lambda p: cv2.GaussianBlur(p, (0, 0), 3),
    "dark": lambda p: (p * 0.15).astype(np.uint8),
    "pale": lambda p: (p * 0.5 + 115).astype(np.uint8),
    "grey": lambda p: np.repeat(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2),
}


@pytest.fixture(scope="module")
def classifier():
    return DomainClassifier(torch.device("cpu"))


def by_network(classifier, pixels, points):
    """The domain of a face with points (68, 2) by dlib's network in torch."""
    place = dlib_chip(torch.from_numpy(np.asarray(points))[None].float(), 150, 0.25)
    return classifier.classify(place.cut(to_tensor(pixels)))


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_photograph_is_not_drawn(spoil, classifier):
    (face,) = FaceFinder().find(astronaut())
    picture = spoil(astronaut())
    assert domain_of(describe_face(picture, face)) == "photos"
    assert by_network(classifier, picture, face.landmarks) == ["photos"]


@pytest.mark.parametrize("number", range(4))
def test_a_drawn_face_is_drawn(number, classifier):
    seed = 902_400 + number
    drawn = portraits.render(
        portraits.identity(seed), 20 + 18.0 * number, portraits.scene(seed), 256
    )
    for name in ("plain", "blurred", "grey"):
        picture = SPOILT[name](drawn.picture)
        assert domain_of(describe_aligned(picture, drawn.landmarks)) == "portraits"
        assert by_network(classifier, picture, drawn.landmarks) == ["portraits"]


def test_the_score_is_linear_in_the_descriptor(rng):
    one, other = rng.normal(0, 0.1, (2, 128)).astype(np.float32)
    between = drawn_score((one + other) / 2)
    assert between == pytest.approx((drawn_score(one) + drawn_score(other)) / 2, abs=1e-4)
    drawn = drawn_score(one) < THRESHOLD
    assert domain_of(one) == ("portraits" if drawn else "photos")


def test_a_set_has_the_domain_of_its_middle():
    (face,) = FaceFinder().find(astronaut())
    photo = describe_face(astronaut(), face)
    drawn = -photo
    assert (domain_of(drawn, photo, photo), domain_of(drawn, drawn, photo)) == (
        "photos", "portraits",
    )  # fmt: skip
