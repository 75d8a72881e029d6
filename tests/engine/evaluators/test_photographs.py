"""Estimators are used when their weights are here, and named either method."""

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from engine.core.errors import WeightsError
from engine.core.places import weights_folder
from engine.evaluators.photographs import PhotoEvaluators
from engine.images.ranges import to_tensor
from engine.nets.age.mivolo import AgeScale, MiVolo, MiVoloSpec
from engine.nets.identity.ir_se50 import ArcFace, ArcFaceSpec
from engine.weights.manifest import known_weights

CPU = torch.device("cpu")


@pytest.fixture
def place():
    """Put a file where the manifest expects it."""

    def put(name, content):
        folder = weights_folder()
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(content, folder / known_weights(folder)[name].file)

    return put


@pytest.fixture
def portrait():
    return to_tensor(astronaut()[:256, 100:356])


def test_without_weights_dlib_evaluates_identity_and_nothing_evaluates_age(portrait):
    evaluators = PhotoEvaluators(CPU)
    assert evaluators.age(portrait) is None
    assert evaluators.age_by is None
    assert "mivolo" in evaluators.why_no_age
    own = evaluators.embedding(portrait)
    same = evaluators.identity(own, own)
    assert (same.value, same.evaluator) == (1.0, "dlib")
    distance, cell = same.impostors
    other = evaluators.identity(own, own + distance / np.sqrt(128))
    assert (other.value, cell) == (pytest.approx(0, abs=1e-5), "everyone")
    # Where the age is known, they are strangers of that age, and of the sex that the face looks.
    assert "male, 60-74" in evaluators.impostors(portrait, 65).cell


def test_arcface_is_preferred_to_dlib(place, portrait):
    torch.manual_seed(0)
    net = ArcFace(ArcFaceSpec(embedding=16, widths=(4, 6, 8, 10))).eval()
    place("ir-se50", net.state_dict())
    evaluators = PhotoEvaluators(CPU)
    embedding = evaluators.embedding(portrait)
    with torch.inference_mode():
        assert torch.allclose(
            torch.from_numpy(embedding), net.face_embedding(portrait)[0], atol=1e-6
        )
    same = evaluators.identity(embedding, embedding)
    assert (same.evaluator, same.impostors) == ("arcface", None)
    assert same.value == pytest.approx(1, abs=1e-5)


def test_mivolo_estimates_years_on_the_scale_of_its_file(place, portrait):
    torch.manual_seed(0)
    net = MiVolo(MiVoloSpec(with_body=False)).eval()
    scale = {"min_age": 1.0, "max_age": 95.0, "avg_age": 48.0}
    place("mivolo", {"state_dict": net.state_dict() | {"fds.x": torch.zeros(1)}, **scale})
    evaluators = PhotoEvaluators(CPU)
    assert (evaluators.age_by, evaluators.why_no_age) == ("mivolo", None)
    small = to_tensor(astronaut()[:224, 100:324])
    with torch.inference_mode():
        expected = float(net.age(small, AgeScale(1.0, 95.0, 48.0)))
    assert evaluators.age(small) == pytest.approx(expected, abs=1e-3)


def test_a_mivolo_file_without_its_scale_is_refused(place):
    keys = ("patch_embed.conv.0.weight", "network.0.0.norm1.weight", "head.weight")
    place("mivolo", {"state_dict": {key: torch.zeros(1) for key in keys}, "min_age": 1.0})
    with pytest.raises(WeightsError, match="it lacks max_age, avg_age"):
        PhotoEvaluators(CPU)
