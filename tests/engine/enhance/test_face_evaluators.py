"""The guard on photographs: an age evaluator always, and which one it is."""

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from engine.enhance.face_evaluators import FaceEvaluators
from engine.enhance.faces import cut_face, find_faces
from engine.enhance.guard import SIDE, GuardLimits, compare
from engine.faces.detect import Detection
from engine.images.raster import Raster


@pytest.fixture(scope="module")
def face():
    picture = Raster(np.ascontiguousarray(astronaut()))
    return cut_face(picture, find_faces(picture, Detection())[0], SIDE)


def test_without_mivolo_the_age_is_guarded_by_the_network_in_the_package(face):
    evaluator = FaceEvaluators("cpu").for_domain("photos")
    assert (evaluator.age_by, evaluator.identity_by) == ("age-cc0", "dlib")
    assert evaluator.why_no_age is None
    before = evaluator.measure(face)
    assert 20 < before.age < 60
    assert compare([before], [evaluator.measure(face)], evaluator, GuardLimits()).fault is None


def test_a_face_that_ages_breaks_the_limit_by_name(face):
    evaluator = FaceEvaluators("cpu").for_domain("photos")
    before = evaluator.measure(face)
    grey = face.mean(axis=2, keepdims=True).repeat(3, axis=2)
    other = evaluator.measure(np.rint(0.4 * grey + 90).astype(np.uint8))
    assert abs(other.age - before.age) > 0.1, "the network looks at the picture"
    tight = GuardLimits(max_drift=0.1, min_identity=-1)
    fault = compare([before], [other], evaluator, tight).fault
    assert fault is not None
    assert fault.endswith("(age-cc0)")


def test_the_age_is_that_of_the_chip_and_not_of_the_margin(face):
    evaluator = FaceEvaluators("cpu").for_domain("photos")
    framed = face.copy()
    framed[:20] = framed[-10:] = 0
    torch.testing.assert_close(evaluator.measure(face).age, evaluator.measure(framed).age)
