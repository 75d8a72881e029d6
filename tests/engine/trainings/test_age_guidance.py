"""Losses by an image tower, and captions in batches, with a tiny deterministic tower."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from engine.core.errors import InputError
from engine.core.progress import Silence
from engine.data.anchors import Anchors
from engine.data.label_curriculum import LabelCurriculum
from engine.data.labelled import LabelledFaces
from engine.nets.loading import frozen
from engine.runtime.draws import Draws
from engine.training.task import StepContext
from engine.trainings.agetransformer.captions import FaceCaptions
from engine.trainings.agetransformer.guidance import TowerLoss, spread_rows
from engine.trainings.agetransformer.loss import AgeTransformerLoss
from engine.trainings.agetransformer.sampling import AgeBatches

CPU = torch.device("cpu")
ANCHORS = Anchors.at([10, 50, 80])


@dataclass
class Tower:
    """A fixed projection of the pixels: linear, so that its directions are known."""

    net: nn.Linear
    name: str = "tiny"

    def features(self, pictures):
        return self.net(pictures.flatten(1).float())


@pytest.fixture
def tower():
    net = nn.Linear(12, 6, bias=False)
    nn.init.orthogonal_(net.weight)
    return Tower(frozen(net))


def faces_of(ages, reliability=None, spread=0.0):
    """Pictures of 2 px whose brightness is their age, each with a grain of its own."""
    ages = np.asarray(ages, np.float32)
    grain = torch.randn(len(ages), 3, 2, 2, generator=torch.Generator().manual_seed(1)) * 0.1
    pictures = torch.from_numpy(ages)[:, None, None, None] / 100 + grain
    sure = np.ones(len(ages)) if reliability is None else np.asarray(reliability)
    return LabelledFaces(
        pictures=lambda rows: pictures[rows],
        ages=ages,
        spread=np.full(len(ages), spread, np.float32),
        reliability=sure.astype(np.float32),
    )


def tower_loss(tower, faces, direction=1.0, attributes=1.0, per_age=500):
    weights = AgeTransformerLoss(direction=direction, attributes=attributes)
    loss = TowerLoss(tower, weights, per_age)
    loss.precompute(faces, faces.labels(ANCHORS), CPU, Silence())
    return loss


def about(source, target):
    """The labels of a batch of one."""
    eye = torch.eye(3)
    return {"label": eye[source][None], "target_label": eye[target][None]}


def values(terms):
    return {name: term.value.item() for name, term in terms.items()}


def test_the_mean_of_an_age_is_that_of_its_faces_by_label_and_reliability(tower):
    faces = faces_of([10, 20, 50, 80, 85], reliability=[1, 0.5, 1, 1, 0])
    ages = tower_loss(tower, faces).ages
    features = tower.features(faces.pictures(torch.arange(5)))
    torch.testing.assert_close(ages.means[0], (features[0] + 0.5 * features[1]) / 1.5)
    torch.testing.assert_close(ages.means[2], features[3])


def test_the_direction_loss_is_0_along_the_direction_and_2_against_it(tower):
    faces = faces_of([10, 12, 50, 52, 80, 82])
    loss = tower_loss(tower, faces)
    photo = faces.pictures(torch.tensor([0]))
    direction = (loss.ages.means[1] - loss.ages.means[0]) @ tower.net.weight
    there, back = (photo + sign * direction.view(1, 3, 2, 2) for sign in (1, -1))
    assert values(loss.terms(there, photo, about(0, 1))) == pytest.approx(
        {"direction": 0, "attributes": 0}, abs=1e-5
    )
    assert values(loss.terms(back, photo, about(0, 1)))["direction"] == pytest.approx(2, abs=1e-5)
    assert values(loss.terms(back, photo, about(1, 0)))["direction"] == pytest.approx(0, abs=1e-5)


def test_a_gradient_reaches_the_picture_and_not_the_tower(tower):
    faces = faces_of([10, 50, 80])
    loss = tower_loss(tower, faces)
    photo = faces.pictures(torch.tensor([0, 2])).requires_grad_(True)
    aged = torch.randn(2, 3, 2, 2, requires_grad=True)
    batch = {"label": torch.eye(3)[[0, 2]], "target_label": torch.eye(3)[[1, 0]]}
    for term in loss.terms(aged, photo, batch).values():
        aged.grad = None
        term.value.backward(retain_graph=True)
        assert aged.grad.flatten(1).any(dim=1).all()
    assert photo.grad is None
    assert tower.net.weight.grad is None


@pytest.mark.parametrize(
    ("direction", "attributes", "weights"),
    [(0.5, 0, {"direction": 0.5}), (0, 2.0, {"attributes": 2.0})],
)
def test_a_weight_of_0_leaves_a_loss_out(tower, direction, attributes, weights):
    faces = faces_of([10, 50, 80])
    loss = tower_loss(tower, faces, direction, attributes)
    photo = faces.pictures(torch.tensor([0]))
    terms = loss.terms(photo + 1, photo, about(0, 1))
    assert {name: term.weight for name, term in terms.items()} == weights


def test_faces_of_one_age_are_refused(tower):
    with pytest.raises(InputError, match="no faces to compare: labels of two ages"):
        tower_loss(tower, faces_of([10, 11, 12]))


def test_rows_are_spread_over_the_faces_of_every_age():
    labels = torch.eye(3)[[0] * 9 + [2] * 2]
    assert spread_rows(labels, 3).tolist() == [0, 3, 6, 9, 10]
    assert spread_rows(labels, 100).tolist() == [*range(11)]


def batch_of(captions, dropout, step=0, count=400):
    context = StepContext(step, "picture", step, Draws(7, step, range(count)))
    faces = faces_of([10, 50, 80, 30])
    batches = AgeBatches.of(faces, ANCHORS, LabelCurriculum(), captions, caption_dropout=dropout)
    return batches.batch(context, count)


@pytest.fixture
def captions():
    rows = torch.arange(1.0, 5.0)[:, None].half()
    return FaceCaptions(rows, -rows, torch.tensor([0, 1, -1, 3]))


def test_every_face_of_a_batch_comes_with_its_own_caption(captions):
    batch = batch_of(captions, 0.0)
    for age, (image, text, mask) in zip(
        batch["source_age"].tolist(), batch["captions"].tolist(), strict=True
    ):
        row = [10, 50, 80, 30].index(age)
        assert (image, text, mask) == ((0, 0, 0) if row == 2 else (row + 1, -row - 1, 1))


def test_caption_dropout_drops_a_share_of_the_captions_and_changes_nothing_else(captions):
    plain, every, some = batch_of(None, 0.5), batch_of(captions, 0.0), batch_of(captions, 0.5)
    assert "captions" not in plain
    for key in plain:
        assert torch.equal(plain[key], some[key])
    present = every["captions"][:, 2] == 1
    kept = some["captions"][present, 2]
    assert 0.4 < kept.mean() < 0.6
    assert not some["captions"][some["captions"][:, 2] == 0].any()
