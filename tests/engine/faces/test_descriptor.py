"""Descriptors agree between a photo and its aligned crop, and tell people apart."""

from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest
from skimage.data import astronaut

from engine.faces.crop import crop_face
from engine.faces.descriptor import SAME_PERSON, describe_aligned, describe_face, distances
from engine.faces.detect import FaceFinder
from engine.faces.files import DESCRIPTOR, dlib_file
from engine.faces.rotation import rotated
from engine.geometry.ffhq import quad_of
from engine.images.reading import read_picture

PHOTOS = Path(__file__).parents[3].parent / "shared" / "photos"


@pytest.fixture(scope="module")
def described():
    pixels = astronaut()
    (face,) = FaceFinder().find(pixels)
    return pixels, face, describe_face(pixels, face)


def gap(one, other):
    return float(distances(one[None], other)[0])


@pytest.mark.parametrize("size", [96, 128, 256, 512])
def test_the_aligned_crop_has_the_descriptor_of_the_photo(described, size):
    pixels, face, reference = described
    quad = quad_of(face.landmarks)
    crop = crop_face(pixels, quad, size)
    assert reference.shape == (128,)
    assert reference.dtype == np.float32
    assert gap(describe_aligned(crop, face.landmarks, quad=quad), reference) < 0.2
    assert gap(describe_aligned(crop), reference) < 0.2


def test_a_descriptor_is_dlibs_own(described):
    pixels, face, reference = described
    own = dlib.face_recognition_model_v1(str(dlib_file(DESCRIPTOR)))
    parts = dlib.points([dlib.point(round(x), round(y)) for x, y in face.landmarks.tolist()])
    shape = dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), parts)
    wanted = np.array(own.compute_face_descriptor(pixels, shape, 0, 0.25))
    np.testing.assert_allclose(reference, wanted, atol=1e-4)


def test_small_pictures_are_enlarged_to_256_first(described):
    pixels, face, _ = described
    crop = crop_face(pixels, quad_of(face.landmarks), 100)
    larger = cv2.resize(crop, (256, 256), interpolation=cv2.INTER_LINEAR)
    points = quad_of(face.landmarks).unit_points(face.landmarks)
    one = describe_aligned(crop, points * 100 - 0.5)
    np.testing.assert_allclose(one, describe_aligned(larger, points * 256 - 0.5), atol=1e-6)


def test_a_rotated_picture_keeps_the_descriptor(described):
    pixels, _, reference = described
    sideways = rotated(pixels, 90)
    (face,) = FaceFinder().find(sideways)
    assert gap(describe_face(sideways, face), reference) < 0.25


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="no shared photos here")
def test_two_people_are_further_apart_than_the_limit(described):
    pixels = read_picture(PHOTOS / "migrant_mother_1936.jpg", max_megapixels=10).pixels
    (face,) = FaceFinder().find(pixels)
    assert gap(describe_face(pixels, face), described[2]) > SAME_PERSON
