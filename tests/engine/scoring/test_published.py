"""Published evaluators are preferred where their weights are; every figure names its evaluator."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data

import engine.evaluators.identity as identity_module
from engine.core.places import weights_folder
from engine.core.progress import Silence
from engine.evaluators.suite import NO_FEATURES, EvaluatorSuite
from engine.geometry.ffhq import Quad
from engine.images.ranges import to_tensor
from engine.inference.subject import Subject
from engine.metrics.distributions import frechet
from engine.metrics.set_distances import RealSet, set_distances
from engine.nets.age.mivolo import AgeScale, MiVolo, MiVoloSpec
from engine.nets.identity.ir_se50 import ArcFace, ArcFaceSpec
from engine.nets.perceptual.inception import Inception
from engine.nets.perceptual.lpips import Perceptual, _untrained
from engine.scoring.evaluate import evaluate_methods
from engine.scoring.material import Material, Method, PersonPhotos, Source, Task, at_side
from engine.scoring.page import page
from engine.weights.manifest import known_weights
from engine.weights.tensors import write_safetensors

CPU = torch.device("cpu")
SIDE = 256


def put(name, content):
    """Stand-in weights, in the file and the container that the published ones come in."""
    folder = weights_folder()
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(content, folder / known_weights(folder)[name].file)


def put_converted(name, state):
    """The same for files whose published digest is checked: as they are once imported."""
    weights_folder().mkdir(parents=True, exist_ok=True)
    write_safetensors(weights_folder() / f"{name}.safetensors", state, {})


@pytest.fixture
def arcface():
    torch.manual_seed(0)
    net = ArcFace(ArcFaceSpec(embedding=16, widths=(4, 6, 8, 10))).eval()
    put("ir-se50", net.state_dict())
    return net


@pytest.fixture
def mivolo():
    torch.manual_seed(0)
    net = MiVolo(MiVoloSpec(with_body=False)).eval()
    put("mivolo", {"state_dict": net.state_dict(), "min_age": 1, "max_age": 95, "avg_age": 48})
    return net


@pytest.fixture
def lpips():
    torch.manual_seed(0)
    net = Perceptual(_untrained("alex"))
    inner = net.net.net.state_dict()
    put_converted("lpips-alex", {f"features.{k.split('.', 1)[1]}": v for k, v in inner.items()})
    return net


def inception():
    torch.manual_seed(0)
    net = Inception().eval()
    for value in net.parameters():
        if value.dim() > 1:
            torch.nn.init.kaiming_normal_(value)
    put_converted("inception-fid", net.net.state_dict())
    return net


def faces(*lefts):
    """Cut-outs of one photo: enough of a face for networks that know none."""
    photo = data.astronaut()
    return [np.ascontiguousarray(photo[:SIDE, left : left + SIDE]) for left in lefts]


@pytest.fixture
def material(tmp_path):
    """A photo, one portrait made of it, and the truth."""
    photo, made, truth = faces(100, 108, 104)
    subject = Subject(tmp_path / "eve.png", "e" * 64, photo, Quad.frame(SIDE, SIDE))
    task = Task(subject.sha256, 60.0)
    source = Source(subject, 40.0)
    return Material("eve", {subject.sha256: source}, [Method("aged", {task: made})], {task: truth})


def evaluate_with(material, suite):
    return evaluate_methods(material, suite, Silence(), subject="aged", device="cpu")


@torch.inference_mode()
def test_published_evaluators_compute_the_figures_and_are_named(arcface, mivolo, lpips, material):
    evaluation = evaluate_with(material, EvaluatorSuite("photos", CPU))
    report, result = evaluation.report, evaluation.report["aged"]
    made, truth = (to_tensor(one) for one in faces(108, 104))
    one, other = arcface.face_embedding(made), arcface.face_embedding(truth)
    assert result["identity"] == pytest.approx(float((one * other).sum()), abs=1e-5)
    small = to_tensor(at_side(faces(108)[0], 224))
    years = float(mivolo.age(small, AgeScale(1.0, 95.0, 48.0)))
    assert result["age_mae"] == pytest.approx(abs(years - 60), abs=1e-3)
    assert result["perceptual"] == pytest.approx(float(lpips(made, truth)), rel=1e-4)
    evaluators = report["evaluators"]
    assert [evaluators[n] for n in ("identity", "age", "perceptual")] == [
        "ir-se50",
        "mivolo",
        "lpips-alex",
    ]
    words = page(evaluation, "tm eval", "tm 1")
    assert all(f"by {name}" in words for name in ("ir-se50", "mivolo"))
    assert "by lpips-alex" in words


def test_figures_of_two_identity_evaluators_are_kept_apart(
    arcface, material, monkeypatch, tmp_path
):
    result = evaluate_with(material, EvaluatorSuite("photos", CPU)).report
    monkeypatch.setenv("TM_WEIGHTS", str(tmp_path / "none"))
    without = evaluate_with(material, EvaluatorSuite("photos", CPU)).report
    assert (result["evaluators"]["identity"], without["evaluators"]["identity"]) == (
        "ir-se50",
        "dlib 128-D",
    )
    assert result["aged"]["identity by dlib 128-D"] == without["aged"]["identity"]
    assert result["aged"]["identity"] != without["aged"]["identity"]
    # A cosine has no impostor distance, and its own threshold.
    assert result["aged"]["impostor_distance"] is None
    assert result["evaluators"]["identity_threshold"] == identity_module.SAME_COSINE
    assert without["evaluators"]["identity_threshold"] == identity_module.SAME_PERSON


def test_drawn_portraits_keep_their_evaluators_whatever_weights_are_here(arcface, mivolo, lpips):
    suite = EvaluatorSuite("portraits", CPU)
    assert (suite.identity.name, suite.age_by) == ("dlib 128-D", "nano-age-evaluator")
    assert suite.perceptual == "features of nano-age-evaluator"
    assert "ir-se50" not in [evaluator.name for evaluator in suite.identities]


@torch.inference_mode()
def test_with_inception_here_distances_of_sets_are_fid_and_kid(material):
    net = inception()
    suite = EvaluatorSuite("photos", CPU)
    pictures = faces(*range(80, 176, 12))
    photos = PersonPhotos(
        pictures=pictures,
        ages=np.arange(8.0) + 40,
        names=[f"{n}.png" for n in range(8)],
        digests=[f"{n}" for n in range(8)],
        train=np.ones(8, np.bool_),
    )
    (source,) = material.sources
    darker = {Task(source, 50.0 + n): pictures[2 * n] // 2 for n in range(4)}
    result = evaluate_with(
        replace(material, methods=[Method("aged", darker)], truth={}, photos=photos), suite
    )
    sets = result.report["aged"]["sets"]
    assert (sets["n"], sets["against"], sets["features"]) == (4, "photos", "Inception 2015")
    assert sets["FID"] > sets["FID_floor_interval"][1] >= sets["FID_floor"] > 0
    assert sets["KID"] > sets["KID_floor"]
    assert not [name for name in sets if name.startswith(("FD-", "KD-"))]
    assert "FID and KID: Frechet" in page(result, "tm eval", "tm 1")
    features = suite.measure(pictures).features
    direct = net(torch.stack([to_tensor(one)[0] for one in pictures[:2]])).double().numpy()
    assert features[:2] == pytest.approx(direct, abs=1e-5)
    assert frechet(features, features) == pytest.approx(0, abs=1e-6)
    shift = np.full(features.shape[1], 0.1)
    assert frechet(features, features + shift) == pytest.approx(20.48, rel=1e-4)


def test_without_inception_nothing_is_called_fid(material):
    suite = EvaluatorSuite("portraits", CPU)
    rows = np.random.default_rng(0).normal(size=(12, 128))
    result = set_distances(rows[:6] + 1, RealSet(rows, suite.extractor, "photos"))
    assert {"FD-nano-age-evaluator", "KD-nano-age-evaluator"} <= result.keys()
    assert not {"FID", "KID"} & result.keys()
    photos = evaluate_with(material, EvaluatorSuite("photos", CPU)).report["aged"]["sets"]
    assert photos == {"why_null": NO_FEATURES}


def test_the_number_of_processes_changes_nothing(monkeypatch):
    workers = []
    monkeypatch.setattr(identity_module, "PARALLEL_FROM", 4)
    described = identity_module.described
    monkeypatch.setattr(
        identity_module,
        "described",
        lambda *a, **options: workers.append(options["workers"]) or described(*a, **options),
    )
    pictures = faces(*range(80, 128, 12))
    one, two = (EvaluatorSuite("photos", CPU, workers=n).measure(pictures) for n in (1, 2))
    assert np.array_equal(one.vectors["dlib 128-D"], two.vectors["dlib 128-D"])
    assert workers == [1, 2]
