"""Tasks of identity, age and landmark networks, tiny: few people, 24 px."""

import numpy as np
import pytest
import torch

from engine.core.progress import Silence
from engine.data.jitter import ColorJitter, Quality, Shading
from engine.data.portraits import PortraitData, PortraitPlan
from engine.nets.nano.age import AgeSpec, NanoAge
from engine.nets.nano.age_evaluator import AgeEvaluatorSpec, NanoAgeEvaluator
from engine.nets.nano.age_ordinal import AgeOrdinalSpec, NanoAgeOrdinal
from engine.nets.nano.age_tokens import AgeTokensSpec, NanoAgeTokens
from engine.nets.nano.identity import IdentitySpec, NanoIdentity
from engine.nets.nano.landmarks import LandmarksSpec, NanoLandmarks, to_pixels
from engine.runtime.draws import Draws
from engine.training.task import StepContext
from engine.trainings.age.loss import MeanVarianceLoss, NormalLoss, OrdinalLoss
from engine.trainings.age.task import AgeTask
from engine.trainings.identity.task import IdentityLoss, IdentityTask, verification
from engine.trainings.landmarks.task import LandmarksTask
from engine.trainings.predictions import seeded

TRAIN = PortraitPlan(first=901_000, people=6, scenes=4, ages=1, size=24)
VALIDATION = PortraitPlan(first=901_100, people=4, scenes=3, ages=1, size=24)
DATA = PortraitData(train=TRAIN, validation=VALIDATION)
WIDTHS = (8, 8, 8)
CPU = torch.device("cpu")


def identity():
    net = seeded(lambda: NanoIdentity(IdentitySpec(24, 8, WIDTHS)), 0)
    return IdentityTask(net, DATA, IdentityLoss(photographs=2), shift=1)


def augmented_identity():
    """With every augmentation of the shipped recipe."""
    task = identity()
    task.jitter, task.quality, task.shading = ColorJitter(grey=0.5), Quality(grain=0.1), Shading()
    return task


def age(family=NanoAge):
    spec = AgeSpec(24, 101, WIDTHS) if family is NanoAge else AgeEvaluatorSpec(24, 101, WIDTHS, 8)
    net = seeded(lambda: family(spec), 0)
    return AgeTask(net, DATA, MeanVarianceLoss(), size=24, jitter=ColorJitter(), shift=1)


def expert(net, loss):
    made = seeded(net, 0)
    return AgeTask(made, DATA, loss, size=24, jitter=ColorJitter(), shift=1)


def landmarks():
    net = seeded(lambda: NanoLandmarks(LandmarksSpec(24, WIDTHS, 8)), 0)
    return LandmarksTask(net, DATA, jitter=None, shift=2)


MAKERS = {
    "identity": identity,
    "augmented_identity": augmented_identity,
    "age": age,
    "age_evaluator": lambda: age(NanoAgeEvaluator),
    "age_ordinal": lambda: expert(
        lambda: NanoAgeOrdinal(AgeOrdinalSpec(24, 100, WIDTHS, 8)), OrdinalLoss()
    ),
    "age_tokens": lambda: expert(
        lambda: NanoAgeTokens(AgeTokensSpec(size=24, width=24, depth=1)), NormalLoss()
    ),
    "landmarks": landmarks,
}


@pytest.fixture(params=list(MAKERS))
def task(request):
    made = MAKERS[request.param]()
    made.prepare(Silence())
    return made


def context(step=0, positions=range(8)):
    return StepContext(step, "main", step, Draws(3, step, positions))


def total(task, batch):
    terms = task.terms("main", batch, context())
    return sum(term.value * term.weight for term in terms.values())


def test_a_batch_belongs_to_its_step_alone(task):
    once, again, later = (task.batch(context(step), 8) for step in (4, 4, 5))
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert not torch.equal(once["pictures"], later["pictures"])


def test_two_processes_share_the_very_batch_of_one(task):
    whole = task.batch(context(2), 8)
    halves = [task.batch(context(2, part), 8) for part in (range(4), range(4, 8))]
    for name, value in whole.items():
        torch.testing.assert_close(torch.cat([half[name] for half in halves]), value)


def test_the_loss_falls_on_one_batch(task):
    batch = task.batch(context(), 8)
    (net,) = task.parts.values()
    net.train()
    rate = torch.optim.Adam(net.parameters(), lr=3e-3)
    first = total(task, batch)
    for _ in range(25):
        rate.zero_grad()
        loss = total(task, batch)
        loss.backward()
        rate.step()
    assert loss < 0.8 * first


def test_validation_is_deterministic_and_has_the_metric_of_the_best(task):
    nets = {name: part.eval() for name, part in task.parts.items()}
    with torch.no_grad():
        once, again = task.validate(nets, CPU), task.validate(nets, CPU)
    assert once == again
    assert task.best.metric in once
    assert all(np.isfinite(value) for value in once.values())


def test_the_delivered_state_is_that_of_the_network(task):
    delivered = task.checkpoint(task.parts)
    (name,) = task.parts
    own = task.parts[name].state_dict()
    assert delivered.kind == "native"
    assert delivered.parts[name].keys() == own.keys()
    assert type(task.parts[name]).from_state(delivered.part(name)).spec == task.net.spec


def test_a_batch_holds_people_side_by_side():
    task = identity()
    task.prepare(Silence())
    task.shift = 0
    pictures = task.batch(context(), 8)["pictures"]
    known = task.train.tensor(range(len(task.train)))
    known = torch.cat([known, known.flip(3)]).flatten(1)
    distances = torch.cdist(pictures.flatten(1), known)
    assert distances.min(dim=1).values.max() < 0.05
    rows = distances.argmin(dim=1)
    people = (rows % len(task.train) // TRAIN.scenes).view(4, 2)
    mirrored = (rows >= len(task.train)).view(4, 2)
    assert (people[:, 0] == people[:, 1]).all()
    assert len(people[:, 0].unique()) == 4
    assert (mirrored[:, 0] == mirrored[:, 1]).all()
    assert (rows.view(4, 2)[:, 0] != rows.view(4, 2)[:, 1]).all()


def test_a_network_of_colours_is_seen_through_in_grey_and_one_of_shape_is_not():
    class Colours(torch.nn.Module):
        """Mean colours and no shape."""

        def forward(self, pictures):
            means = pictures.mean(dim=(2, 3))
            chroma = means - means.mean(dim=1, keepdim=True)
            return torch.nn.functional.normalize(chroma + 1e-6, dim=1)

    class Luma(torch.nn.Module):
        """Light alone, whose embedding of a portrait and of its grey version are one."""

        def forward(self, pictures):
            grey = (pictures * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1)
            return torch.nn.functional.normalize((grey - grey.mean()).flatten(1), dim=1)

    task = identity()
    task.prepare(Silence())
    colours, luma = (task.validate({"identity": net}, CPU) for net in (Colours(), Luma()))
    assert colours["auc_grey"] < 0.6
    assert colours["own_grey"] < 0.5
    assert luma["auc_grey"] == pytest.approx(luma["auc"], abs=1e-3)
    assert luma["own_grey"] == 1


def test_half_a_person_is_refused():
    task = identity()
    task.prepare(Silence())
    with pytest.raises(ValueError, match="not 2 of every person"):
        task.batch(context(positions=range(1, 5)), 8)


def test_perfect_embeddings_have_an_auc_of_1_and_constant_ones_of_a_half():
    task = identity()
    task.prepare(Silence())
    people = torch.from_numpy(task.validation.people - VALIDATION.first)
    perfect = verification(torch.eye(VALIDATION.people)[people], task.validation)
    assert (perfect["auc"], perfect["auc_30"], perfect["auc_same_sex"]) == (1, 1, 1)
    constant = verification(torch.ones(len(people), 1), task.validation)
    assert (constant["auc"], constant["auc_same_sex"]) == (0.5, 0.5)


def test_points_of_a_batch_move_with_their_pictures():
    task = landmarks()
    task.prepare(Silence())
    batch = task.batch(context(), 8)
    rows = context().draws.shuffled(len(task.train), batch=8)
    mirrored = context().draws.uniform("mirrored") < 0.5
    moves = context().draws.integers("shift", -2, 3, 2)
    assert mirrored.any()
    assert not mirrored.all()
    for place in range(8):
        own = torch.from_numpy(task.train.landmarks[rows[place]])
        nose = own[30] * torch.tensor([-1.0, 1.0]) + torch.tensor([23.0, 0.0])
        nose = nose if mirrored[place] else own[30]
        point = to_pixels(batch["points"], 24)[place, 30]
        torch.testing.assert_close(point, nose + moves[place], rtol=0, atol=1e-4)


def test_an_untrained_landmark_network_predicts_the_mean_face():
    task = landmarks()
    task.prepare(Silence())
    points = task.net.eval().points(task.validation.tensor([0]))
    mean = torch.from_numpy(task.train.landmarks.mean(axis=0))
    torch.testing.assert_close(points[0], mean, rtol=0, atol=1e-3)


def test_a_sample_shows_the_points_on_held_out_faces():
    task = landmarks()
    task.prepare(Silence())
    with torch.no_grad():
        sheet = task.sample({"landmarks": task.net.eval()}, CPU)
    assert sheet.dtype == np.uint8
    assert (sheet[..., 1].astype(int) - sheet[..., 0] > 90).sum() > 100


def test_hues_do_not_change_the_estimate_of_an_age_network_on_luma():
    class Grey(torch.nn.Module):
        def forward(self, pictures):
            light = (pictures * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).mean((1, 2, 3))
            return -(torch.arange(101.0) - 50 - 100 * light[:, None]).square()

    task = age()
    task.prepare(Silence())
    with torch.no_grad():
        metrics = task.validate({"age": Grey()}, CPU)
    assert max(metrics[name] for name in metrics if name.startswith("moved")) < 1.5
