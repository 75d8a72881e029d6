"""FaceRes as evaluator: a distance and features on one crop, or nothing where it is not here."""

import numpy as np
import pytest
import torch
from skimage.data import astronaut

import engine.evaluators.suite as suite_module
from engine.evaluators.faceres import FaceResFeatures
from engine.evaluators.suite import EvaluatorSuite
from engine.faces.descriptor import aligned_box
from engine.faces.fitting import fit_points
from engine.images.ranges import to_tensors
from engine.nets.photos.faceres import FaceRes

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def faceres():
    torch.manual_seed(0)
    net = FaceRes()
    for value in net.parameters():
        if value.dim() > 1:
            torch.nn.init.kaiming_normal_(value)
    # Its inputs are levels up to 255.
    net.stem.weight.data /= 128
    return FaceResFeatures(net, CPU)


@pytest.fixture(scope="module")
def pictures():
    face = np.ascontiguousarray(astronaut()[:256, 100:356])
    darker = (face * 0.6).astype(np.uint8)
    return np.stack([face, darker])


def test_without_its_weights_there_is_none():
    assert FaceResFeatures.load(CPU) is None


@torch.inference_mode()
def test_a_picture_is_at_no_distance_from_itself_and_of_its_own_features(faceres, pictures):
    both = to_tensors(pictures)
    same, apart = faceres(both, both), faceres(both, both.flip(0))
    assert same.tolist() == [0.0, 0.0]
    assert (apart > 1e-4).all()
    points = [fit_points(one, aligned_box(256)) for one in pictures]
    rows = faceres.features(pictures, points)
    assert rows.shape == (2, 1024)
    assert not torch.equal(rows[0], rows[1])


@torch.inference_mode()
def test_what_lies_outside_the_crop_does_not_count(faceres, pictures):
    framed = pictures.copy()
    framed[:, :8] = framed[:, :, :8] = 0
    assert faceres(to_tensors(framed), to_tensors(pictures)).max() < 1e-6


def test_where_it_is_here_it_names_the_distances_of_photographs(faceres, pictures, monkeypatch):
    monkeypatch.setattr(suite_module.FaceResFeatures, "load", lambda device: faceres)
    suite = EvaluatorSuite("photos", CPU)
    assert (suite.perceptual, suite.extractor) == ("features of FaceRes", "FaceRes")
    assert suite.measure(list(pictures)).features.shape == (2, 1024)
    assert suite.distance("features of FaceRes", pictures[:1], pictures[:1]) == [0]
    # Drawn portraits keep theirs.
    assert EvaluatorSuite("portraits", CPU).perceptual == "features of nano-age-evaluator"
