"""Sex and cheeks by the shipped network and by colour."""

import numpy as np
import pytest
import torch
from matplotlib import cbook
from PIL import Image
from skimage.data import astronaut

from engine.evaluators.traits import TraitEstimator, cheek_lightness, sex_of
from engine.faces.descriptor import aligned_box
from engine.faces.detect import Detection, FaceFinder
from engine.faces.fitting import fit_points


@pytest.fixture(scope="module")
def faces():
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        hopper = np.asarray(Image.open(file).convert("RGB"))
    photos = [astronaut(), hopper]
    return [(photo, FaceFinder(Detection()).find(photo, every=False)[0]) for photo in photos]


def test_the_sex_is_the_same_for_a_photograph_and_its_mirror_image(faces):
    """The network takes Grace Hopper in uniform for a man, either way round."""
    estimator, sexes = TraitEstimator(torch.device("cpu")), []
    for photo, face in faces:
        mirrored = np.ascontiguousarray(photo[:, ::-1])
        points = FaceFinder(Detection()).find(mirrored, every=False)[0].landmarks
        pair = (photo, face.landmarks), (mirrored, points)
        sexes.append([sex_of(estimator.measure(*one).male) for one in pair])
    assert sexes == [["female", "female"], ["male", "male"]]


@pytest.mark.parametrize(("level", "lightness"), [(0, 0), (119, 50), (255, 100)])
def test_the_lightness_of_a_plain_face_is_that_of_its_level(level, lightness):
    face = np.full((128, 128, 3), level, np.uint8)
    points = fit_points(face, aligned_box(128))
    assert cheek_lightness(face, points) == pytest.approx(lightness, abs=0.5)


def test_only_the_cheeks_count(faces):
    photo, face = faces[0]
    eyes_black = photo.copy()
    left, top = face.landmarks[36:48].min(axis=0).astype(int) - 2
    right, bottom = face.landmarks[36:48].max(axis=0).astype(int) + 2
    eyes_black[top:bottom, left:right] = 0
    own = cheek_lightness(photo, face.landmarks)
    assert cheek_lightness(eyes_black, face.landmarks) == own
    assert cheek_lightness(photo // 2, face.landmarks) < own - 15
