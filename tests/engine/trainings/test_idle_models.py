"""A model that copies its input, and one that draws a stranger, win no validation.

Faces are pictures whose first pixels say how old they look and who they are.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.data.anchors import Anchors
from engine.data.labelled import LabelledFaces
from engine.losses.face.context import LossContext, References
from engine.training.photos import Photos
from engine.trainings.agetransformer.validation import COST, FEATURE_DISTANCE, AgeValidation
from engine.trainings.personal.validation import ValidationSettings, evaluate

SIZE, PERSON, STRANGER = 8, (0.8, 0.6), (0.6, -0.8)
OLD = 4.0
"""Years that the evaluator sees too many."""


def faces(ages, who):
    """Pictures (n, 3, 8, 8) in [-1, 1] of people (n, 2) or (2,) at ages (n,)."""
    pictures = torch.zeros(len(ages), 3, SIZE, SIZE)
    pictures[:, 0, 0, 0] = torch.as_tensor(ages, dtype=torch.float32) / 64 - 1
    pictures[:, 0, 0, 1:3] = torch.as_tensor(who, dtype=torch.float32)
    pictures[:, 1] = pictures[:, 0, :1, :1] / 4  # wrinkles
    return pictures


class Evaluator:
    name = digest = "stub"

    def years(self, pictures):
        return (pictures[:, 0, 0, 0] + 1) * 64 + OLD

    def embed(self, pictures):
        return torch.nn.functional.normalize(pictures[:, 0, 0, 1:3], dim=1)


def aged(kind, photos, targets):
    """What a model of this kind makes of photos (n, 3, 8, 8) at targets (n,)."""
    who = torch.nn.functional.normalize(photos[:, 0, 0, 1:3], dim=1)
    source = (photos[:, 0, 0, 0] + 1) * 64
    match kind:
        case "copy":
            return photos
        case "stranger":
            return faces(torch.full_like(targets, float(source.mean())), STRANGER)
        case "weak":  # a third of the way, not quite the person
            other = torch.nn.functional.normalize(who + torch.tensor([0.02, -0.03]), dim=1)
            return faces(source + (targets - source) / 3, other)
        case _:
            return faces(targets, who)


class Machine:
    """The interface of a personal model as the validation uses it."""

    latent_average = torch.zeros(1)
    psp = SimpleNamespace(shape=SimpleNamespace(size=SIZE))

    def __init__(self, kind):
        self.kind = kind

    def invert(self, photos):
        return photos

    def codes(self, photos, ages, *, inverted):
        return aged(self.kind, photos, ages)

    def decode(self, codes):
        return codes


def photos_of(ages):
    pictures = ((faces(ages, PERSON) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    marks = np.full((len(ages), 68, 2), np.nan, np.float32)
    return Photos(pictures, np.array(ages, np.float32), ("x",) * len(ages), marks)


@pytest.mark.parametrize(
    "settings",
    [
        ValidationSettings(targets=3),
        ValidationSettings(targets=3, beyond=(70,)),
        ValidationSettings(at=(40,)),
        ValidationSettings(at=(38, 40, 42)),
    ],
)
def test_of_personal_models_the_idle_ones_are_the_worst(settings):
    train, test = photos_of(range(20, 51)), photos_of([22, 31, 36, 47])
    known = References(Evaluator().embed(train.tensor(range(31))), torch.arange(20.0, 51.0))
    context = LossContext(identity=Evaluator(), references=known)
    score = {
        kind: evaluate(Machine(kind), test, (context, train), settings, Evaluator())["ageing"]
        for kind in ("copy", "stranger", "weak", "true")
    }
    assert max(score["copy"], score["stranger"]) < score["weak"] < score["true"]


def test_without_an_evaluator_nothing_can_pick_a_personal_model():
    train, test = photos_of(range(20, 51)), photos_of([22, 47])
    known = References(Evaluator().embed(train.tensor(range(31))), torch.arange(20.0, 51.0))
    context = LossContext(identity=Evaluator(), references=known)
    metrics = evaluate(Machine("copy"), test, (context, train), ValidationSettings(), None)
    assert metrics["aged_identity"] > 0.99
    assert not [name for name in metrics if name.startswith("age_") or name == "ageing"]


class Generator(torch.nn.Module):
    """The interface of an AgeTransformer."""

    def __init__(self, kind, anchors):
        super().__init__()
        self.kind, self.years = kind, torch.tensor(anchors.years)

    def forward(self, photos, weights):
        targets = weights @ self.years
        outputs = [aged(self.kind, photos, row) for row in targets.unbind(1)]
        return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("truth", [False, True])
def test_of_agetransformers_the_idle_ones_are_the_worst(truth):
    anchors = Anchors.at([20, 30, 40, 50, 60])
    ages = [float(age) for age in anchors.years] * (4 if truth else 1)
    who = [(np.cos(i // 5), np.sin(i // 5)) for i in range(len(ages))]
    pictures = faces(ages, torch.tensor(who))
    labels = LabelledFaces(
        lambda rows: pictures[rows],
        np.array(ages, np.float32),
        *(np.ones(len(ages), np.float32) for _ in range(2)),
        per_scene=5 if truth else 1,
    )
    validation = AgeValidation(labels, anchors, Evaluator(), Evaluator())
    score = {
        kind: validation.metrics(Generator(kind, anchors), torch.device("cpu"))
        for kind in ("copy", "stranger", "weak", "true")
    }
    metric = FEATURE_DISTANCE if truth else COST
    cost = {kind: metrics[metric] for kind, metrics in score.items()}
    assert cost["true"] < cost["weak"] < min(cost["copy"], cost["stranger"])
