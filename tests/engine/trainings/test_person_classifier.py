"""A classifier of one person, from renders to the loss that uses it."""

import shutil

import person
import pytest
import torch
from PIL import Image

from engine.config.load import load_recipe_as
from engine.core.errors import InputError, WeightsError
from engine.core.progress import Silence
from engine.losses.face.views import resized_view
from engine.metrics.calibration import calibration_error
from engine.nets.identity.person_classifier import PersonClassifier
from engine.nets.named import load_classifier
from engine.training.callbacks import SilentCallback
from engine.training.checkpoint import read_snapshot
from engine.training.journal import read_journal
from engine.training.launch import build_task, start_run
from engine.trainings.person_classifier.recipe import PersonClassifierRecipe
from engine.trainings.personal.recipe import PersonalRecipe
from engine.trainings.series.runs import resume_any
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

CPU = torch.device("cpu")
RECIPE = """
kind = "person_classifier"
photos = "{folder}/photos"
impostors = "{folder}/impostors"
size = 32
views = ["clean", "flip", "jpeg75", "blur0.6"]
held_out = 0.4
batch = 16
threads = 1
steps = 60
rate = 0.1
save_every = 20
validate_every = 20
log_every = 20
optimizer = "adamw"

[networks]
identity = "nano-identity"
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = person.make(tmp_path_factory.mktemp("person_classifier"))
    (folder / "person_classifier.toml").write_text(RECIPE.format(folder=folder))
    return folder


def recipe(world, *settings):
    return load_recipe_as(PersonClassifierRecipe, world / "person_classifier.toml", settings)


def trained(recipe, out):
    return start_run(recipe, out, devices=1, callback=lambda _: SilentCallback())


@pytest.fixture(scope="module")
def run(world, tmp_path_factory):
    """Trained on the shipped identity network of the portrait world."""
    out = tmp_path_factory.mktemp("runs") / "run"
    trained(recipe(world), out)
    return out


def test_it_separates_the_person_from_impostors(run):
    last = read_journal(run / "metrics.jsonl")[-1]
    assert last["val/auc"] > 0.95
    assert last["val/person"] > 0.6 > 0.4 > last["val/impostors"]
    assert 0 <= last["val/calibration_error"] < 0.4


def test_the_delivered_classifier_loads_strictly_and_has_the_validated_outputs(world, run):
    classifier = load_classifier(str(run), CPU)
    task = build_task(recipe(world))
    task.prepare(Silence())
    task.precompute(CPU, Silence())
    last = read_journal(run / "metrics.jsonl")[-1]
    best = read_checkpoint(find_weights(str(run)))
    metrics = task.validate({"classifier": classifier.classifier}, CPU)
    assert best.facts == {"task": "person_classifier"}
    assert set(metrics) == {key.removeprefix("val/") for key in last if key.startswith("val/")}
    pictures = task.person.test.tensor([0])
    output = classifier(resized_view(pictures, "clean", classifier.size)).softmax(dim=1)[0, 1]
    row = task.embedded["test"].embeddings[0, 0]
    assert torch.allclose(classifier.classifier(row).softmax(dim=0)[1], output, atol=1e-5)


def test_a_missing_key_is_refused(run):
    state = dict(read_checkpoint(find_weights(str(run))).part("person_classifier"))
    del state["classifier.bias"]
    with pytest.raises(WeightsError, match=r"`classifier.bias` is missing"):
        PersonClassifier.from_state(state)


def test_the_backbone_does_not_change(run):
    state = read_checkpoint(find_weights(str(run))).part("person_classifier")
    shipped = read_checkpoint(find_weights("nano-identity")).part("identity")
    inner = "feature_extractor."
    assert {k.removeprefix(inner) for k in state if k.startswith(inner)} == set(shipped)
    for key, tensor in shipped.items():
        assert torch.equal(state[inner + key], tensor.to(state[inner + key].dtype)), key


def test_pictures_are_resized_as_in_the_loss(world):
    task = build_task(recipe(world, "size=16"))
    task.prepare(Silence())
    task.precompute(CPU, Silence())
    photo = task.person.train.tensor([0])
    views = [resized_view(photo, view, task.size) for view in task.settings.views]
    assert photo.shape[-1] == 16
    expected = task.frozen["backbone"](torch.cat(views))
    assert torch.allclose(task.embedded["train"].embeddings[0], expected, atol=1e-5)


def test_nobody_is_in_both_splits(world):
    task = build_task(recipe(world))
    task.prepare(Silence())
    splits = [{face.person for face in task.impostors[split]} for split in ("train", "test")]
    assert all(splits)
    assert not splits[0] & splits[1]
    assert not set(task.person.train.names) & set(task.person.test.names)


def test_half_of_a_batch_is_the_person(world):
    from engine.runtime.draws import Draws
    from engine.training.task import StepContext

    task = build_task(recipe(world))
    task.prepare(Silence())
    task.precompute(CPU, Silence())
    batch = task.batch(StepContext(3, "main", 3, Draws(0, 3, range(8))), 8)
    known = task.embedded["train"].is_person[batch["row"]]
    assert torch.equal(known, batch["is_person"])
    assert int(known.sum()) == 4


def test_an_impostor_is_not_the_person(world):
    with pytest.raises(InputError, match=f"holds person {person.PERSON} of"):
        build_task(recipe(world, f"impostors='{world}/photos'")).prepare(Silence())


def test_a_picture_that_cannot_be_read_is_left_out(world, tmp_path):
    folder = shutil.copytree(world / "impostors", tmp_path / "impostors")
    pictures = sorted(folder.rglob("*.png"))
    pictures[0].write_bytes(b"no picture")
    Image.new("RGB", (40, 32)).save(pictures[-1])
    task = build_task(recipe(world, f"impostors='{folder}'"))
    task.prepare(Silence())
    task.precompute(CPU, Silence())
    classes = [task.embedded[split].is_person for split in ("train", "test")]
    assert sum(int((~is_person).sum()) for is_person in classes) == len(pictures) - 2


def test_a_run_in_two_parts_ends_in_the_same_bits(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "cut")
    shutil.rmtree(folder / "checkpoints")
    for stop in (33, None):
        resume_any(folder, until=stop, callback=lambda _: SilentCallback())
    one, other = (read_snapshot(f / "checkpoints" / "step_60").nets for f in (folder, run))
    for key, tensor in other["classifier"].items():
        assert torch.equal(one["classifier"][key], tensor), key


def test_a_personal_recipe_uses_it(world, run, tmp_path):
    """`networks.classifier` is all that `identity_adversarial` needs."""
    settings = (
        f"networks.classifier='{run}'",
        "loss.1={kind='identity_adversarial', weight=0.1}",
        "loss.1.report='mean(clean,flip)+0.5*min(jpeg75,blur0.6)'",
        "phase.0.steps=2",
        "phase.1.steps=1",
    )
    recipe = load_recipe_as(PersonalRecipe, world / "toy.toml", settings)
    assert recipe.inputs()["classifier"] == run / "checkpoints" / "best" / "nets.safetensors"
    task = build_task(recipe)
    assert task.frozen["classifier"] is task.loss_context.classifier
    trained(recipe, tmp_path / "run")
    row = read_journal(tmp_path / "run" / "metrics.jsonl")[0]
    assert row["loss/real/identity_adversarial"] > 0
    assert 0 < row["loss/real/identity_adversarial/person"] < 1
    assert "loss/real/identity_adversarial/report" in row


def test_calibration_compares_probabilities_with_frequencies():
    person = torch.tensor([0.8] * 10 + [0.2] * 10)
    right = torch.tensor([True] * 8 + [False] * 2 + [True] * 2 + [False] * 8)
    ones = torch.ones(20)
    assert calibration_error(person, right, ones) == pytest.approx(0, abs=1e-6)
    assert calibration_error(person, torch.ones(20, dtype=torch.bool), ones) == pytest.approx(0.5)
    half = torch.tensor([1.0] * 10 + [0.0] * 10)
    assert calibration_error(person, torch.ones(20, dtype=torch.bool), half) == pytest.approx(0.2)
