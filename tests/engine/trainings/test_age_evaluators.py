"""Every age estimator of `tm relabel` may evaluate a training, unless a loss has its network."""

import shutil

import pytest
import torch

from engine.core.errors import MissingWeightsError, RecipeError, WeightsError
from engine.experts.base import EXPERTS, AgePrediction, Faces
from engine.images.ranges import to_pixels, to_tensor
from engine.nets.photos.estimator import OFFSET, SLOPE
from engine.trainings.age_evaluators import LINES, evaluator_files, load_age_evaluator
from engine.trainings.agetransformer.recipe import AgeTransformerNetworks
from engine.trainings.networks import network_files
from engine.trainings.personal.recipe import PersonalNetworks
from engine.weights.find import shipped_weights
from engine.worlds.portraits import identity, render, scene

CPU = torch.device("cpu")
SHIPPED = ("age-cc0", "dlib-age", "nano-age", "nano-ordinal", "nano-tokens")
ABSENT = sorted(set(EXPERTS) - set(SHIPPED))
TABLES = (AgeTransformerNetworks, PersonalNetworks)


def networks(table=PersonalNetworks, **more):
    return table(identity="nano-identity", **more)


@pytest.fixture(scope="module")
def pictures():
    faces = [render(identity(n), 40, scene(n), 64).picture for n in range(2)]
    return torch.cat([to_tensor(face) for face in faces])


class Brightness:
    """An expert whose ages are the means of the faces."""

    digest = "none"

    def predict(self, faces):
        assert isinstance(faces, Faces)
        years = torch.tensor([float(face.mean()) for face in faces.faces])
        return AgePrediction(years, years * 0, years * 0)


@pytest.mark.parametrize("kind", [kind for kind in EXPERTS if kind != "nano-age"])
@pytest.mark.parametrize("table", TABLES)
def test_an_evaluator_may_be_any_expert_of_relabel(monkeypatch, pictures, kind, table):
    monkeypatch.setattr(EXPERTS[kind], "load", lambda self, device: Brightness())
    own = networks(table, age=None if kind == "vgg16" else "nano-age", age_evaluator=kind)
    evaluator = load_age_evaluator(own.age_evaluator, networks=own, device=CPU)
    slope, offset = LINES.get(kind, (1.0, 0.0))
    true = [slope * float(to_pixels(picture).mean()) + offset for picture in pictures]
    assert evaluator.name == kind
    assert evaluator.years(pictures).tolist() == pytest.approx(true)


@pytest.mark.parametrize("kind", SHIPPED)
def test_those_in_the_package_estimate_as_relabel_has_them(pictures, kind):
    own = networks(age_evaluator=kind)
    years = load_age_evaluator(kind, networks=own, device=CPU).years(pictures)
    faces = Faces([to_pixels(picture) for picture in pictures])
    raw = EXPERTS[kind]().load(CPU).predict(faces).years
    expected = SLOPE * raw + OFFSET if kind == "age-cc0" else raw
    assert torch.allclose(years, expected, atol=0.1)
    assert network_files(own)["age_evaluator"] == shipped_weights()[EXPERTS[kind]().weights]


@pytest.mark.parametrize("kind", ABSENT)
def test_an_absent_one_says_where_its_weights_are_from(kind):
    with pytest.raises((MissingWeightsError, WeightsError)) as error:
        load_age_evaluator(kind, networks=networks(), device=CPU)
    assert error.value.hint


@pytest.mark.parametrize(
    ("evaluator", "of_losses"),
    [
        ("nano-age", {"age": "nano-age"}),
        ("vgg16", {"age": "dex"}),
        ("nano-age", {"perceptual": "nano-features"}),
        ("nano-age-evaluator", {"perceptual": "nano-evaluator-features"}),
        ("copy.safetensors", {"age": "nano-age"}),
        ("copy.safetensors", {"perceptual": "nano-features"}),
    ],
)
@pytest.mark.parametrize("table", TABLES)
def test_a_network_of_the_losses_is_no_evaluator(
    tmp_path, monkeypatch, evaluator, of_losses, table
):
    shutil.copy(shipped_weights()["nano-age"], tmp_path / "copy.safetensors")
    monkeypatch.chdir(tmp_path)
    own = networks(table, **of_losses)
    with pytest.raises(RecipeError, match="is a network of the losses, `(nano-age|dex)"):
        load_age_evaluator(evaluator, networks=own, device=CPU)


@pytest.mark.parametrize("weights", ["nano-age-ordinal", "nano-age-tokens"])
def test_the_weights_of_an_expert_may_be_a_file(tmp_path, pictures, weights):
    copy = tmp_path / "own.safetensors"
    shutil.copy(shipped_weights()[weights], copy)
    own = networks(age="nano-age")
    by_file, by_name = (
        load_age_evaluator(name, networks=own, device=CPU) for name in (str(copy), weights)
    )
    assert torch.equal(by_file.years(pictures), by_name.years(pictures))


def test_the_files_of_a_folder_go_under_their_names(tmp_path, monkeypatch):
    for name in ("a.safetensors", "b.safetensors", "c.json"):
        (tmp_path / name).touch()
    monkeypatch.setattr(EXPERTS["janus"], "path", lambda self: tmp_path)
    assert sorted(evaluator_files("janus")) == [
        "age_evaluator/a.safetensors",
        "age_evaluator/b.safetensors",
    ]


def test_no_gradient_passes_an_expert(pictures):
    evaluator = load_age_evaluator("nano-tokens", networks=networks(), device=CPU)
    assert not evaluator.years(pictures.clone().requires_grad_()).requires_grad
