"""A mask is seen by its colour; a beard, shade and red cheeks are none."""

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from engine.faces.covering import is_covered
from engine.faces.detect import FaceFinder


@pytest.fixture(scope="module")
def points():
    (face,) = FaceFinder().find(astronaut())
    return face.landmarks


def masked(points, colour, first=1):
    """The astronaut with the part of the face between jaw and nose painted."""
    picture = astronaut()
    outline = np.vstack([points[first : 17 - first], points[29:30]]).astype(np.int32)
    return cv2.fillPoly(picture, [outline], colour)


@pytest.mark.parametrize("colour", [(175, 205, 222), (245, 245, 245), (20, 20, 24), (90, 150, 90)])
def test_a_mask_covers(points, colour):
    assert is_covered(masked(points, colour), points)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_the_size_does_not_matter(points, scale):
    moved = (points + 0.5) * scale - 0.5
    for picture, covered in ((masked(points, (175, 205, 222)), True), (astronaut(), False)):
        larger = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        assert is_covered(larger, moved) == covered


def test_a_bare_face_is_not_covered(points):
    dark, half = (astronaut() * 0.3).astype(np.uint8), astronaut()
    half[:, 222:] //= 3  # light from one side
    grey = np.repeat(cv2.cvtColor(astronaut(), cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    for picture in (astronaut(), dark, half, grey):
        assert not is_covered(picture, points)


def test_a_beard_is_no_mask(points):
    assert not is_covered(masked(points + np.float32([0, 18]), (60, 45, 38), first=4), points)


def test_a_face_beyond_the_border_is_measured_as_far_as_it_goes(points):
    cut = np.ascontiguousarray(astronaut()[:, :230])
    assert not is_covered(cut, points)
    assert not is_covered(np.zeros((2, 3, 3), np.uint8), points)
