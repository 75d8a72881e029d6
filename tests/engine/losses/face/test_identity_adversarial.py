import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from engine.losses.face.identity_adversarial import Confidence, IdentityAdversarial, doubt
from engine.losses.face.views import Aggregate, seen, shown


class Said:
    """A classifier that reads its logits off the first pixel."""

    size = 32

    def __call__(self, pictures):
        return pictures[:, :2, 0, 0]


@pytest.fixture
def said(make):
    """A trial whose classifier says these logits."""

    def build(*logits):
        trial = make(target_age=torch.full((len(logits),), 40.0))
        output = torch.zeros_like(trial.source)
        output[:, :2, 0, 0] = torch.tensor(logits)
        return replace(trial, output=output, parts=replace(trial.parts, classifier=Said()), memo={})

    return build


def test_the_loss_is_focal_cross_entropy_and_a_hinge(said):
    person = 1 / (1 + math.exp(-0.5))
    wanted = 0.8 * -((1 - person) ** 1.5) * math.log(person) + 0.2 * (0.9 - 0.5)
    value, told = IdentityAdversarial(weight=1, gamma=1.5, margin=0.9).value(said([0.25, 0.75]))
    assert value == pytest.approx(wanted, rel=1e-5)
    assert told["person"] == pytest.approx(person)


def test_without_gamma_and_margin_it_is_cross_entropy(said):
    value, _ = IdentityAdversarial(weight=1).value(said([0.9, 0.1], [-0.3, 0.2]))
    logits = torch.tensor([[0.9, 0.1], [-0.3, 0.2]])
    hinge = torch.tensor([0.8, 0.0]).mean()
    told = 0.8 * F.cross_entropy(logits, torch.ones(2, dtype=torch.long)) + 0.2 * hinge
    torch.testing.assert_close(value, told)


@pytest.mark.parametrize(
    ("person", "weight"), [(0.9, 0.5), (0.0, 1.0), (1.0, 1 / (1 + math.exp(20 / 3)))]
)
def test_doubt_falls_with_confidence(person, weight):
    # specs/mytm.md 3.7: 1 / (1 + exp((p - 0.9) 6 / (0.9 0.1)))
    found = doubt(torch.tensor([person]), Confidence())
    assert found.item() == pytest.approx(weight, abs=1e-5)


def test_the_weight_of_a_sample_is_not_learned_from(said):
    plain, weighed = (
        IdentityAdversarial(weight=1, confidence=confidence) for confidence in (None, Confidence())
    )
    slopes = []
    for loss in (plain, weighed):
        trial = said([0.0, 1.0])
        trial.output.requires_grad_()
        loss.value(trial)[0].backward()
        slopes.append(trial.output.grad[0, :2, 0, 0])
    person = torch.tensor([1 / (1 + math.exp(-1))])
    torch.testing.assert_close(slopes[1], slopes[0] * doubt(person, Confidence()))


def test_only_one_view_is_looked_at_with_a_gradient(make):
    trial = make()
    loss = IdentityAdversarial(weight=1, report="mean(clean,flip)+0.5*min(jpeg75,blur0.6)")
    trial.output.requires_grad_()
    value, told = loss.value(trial)
    assert trial.parts.classifier.with_gradient == 1
    alone, _ = IdentityAdversarial(weight=1).value(trial)
    assert value == alone
    assert told["report"].isfinite()


def test_the_report_is_the_expression_over_the_probabilities(make):
    trial = make()
    views = ("clean", "flip", "jpeg75", "blur0.6")
    person = {
        view: trial.parts.classifier(shown(trial.output, view, 16)).softmax(1)[:, 1]
        for view in views
    }
    wanted = (person["clean"] + person["flip"]) / 2
    wanted = wanted + 0.5 * torch.minimum(person["jpeg75"], person["blur0.6"])
    loss = IdentityAdversarial(weight=1, report="mean(clean,flip) + 0.5*min(jpeg75,blur0.6)")
    torch.testing.assert_close(loss.value(trial)[1]["report"], wanted.mean())


def test_another_view_may_teach(make):
    trial = make()
    flipped = make(output=trial.output.flip(3))
    torch.testing.assert_close(
        IdentityAdversarial(weight=1, view="flip").value(trial)[0],
        IdentityAdversarial(weight=1).value(flipped)[0],
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("clean", 1.0),
        ("2*clean+.5*flip", 3.0),
        ("mean(clean,flip)", 1.5),
        ("min(clean,flip)+flip", 3.0),
    ],
)
def test_an_expression_means_what_it_says(text, value):
    values = {"clean": torch.tensor([1.0]), "flip": torch.tensor([2.0])}
    assert Aggregate.parse(text)(values).item() == value


@pytest.mark.parametrize(
    "text",
    ["", "clean+", "max(clean,flip)", "mean()", "2*", "blur", "blur0", "sharpen", "mean(clean"],
)
def test_a_faulty_expression_is_refused_with_the_recipe(text):
    with pytest.raises(ValueError, match="view"):
        IdentityAdversarial(weight=1, report=text)
    with pytest.raises(ValueError, match="unknown view"):
        IdentityAdversarial(weight=1, view=text or "max")


def test_views_keep_a_plain_picture_plain():
    plain = torch.full((1, 3, 16, 16), 0.4)
    for view in ("clean", "flip", "jpeg75", "blur0.6", "blur3"):
        torch.testing.assert_close(seen(plain, view), plain)


def test_views_degrade_what_they_say():
    torch.manual_seed(0)
    picture = torch.randn(1, 3, 16, 16)
    assert torch.equal(seen(picture, "flip"), picture.flip(3))
    strengths = [seen(picture, view).var().item() for view in ("clean", "blur0.6", "blur2")]
    assert strengths == sorted(strengths, reverse=True)
    impulse = torch.zeros(1, 3, 15, 15)
    impulse[..., 7, 7] = 1
    bell = torch.exp(-0.5 * (torch.arange(-3, 4) / 1.0) ** 2)
    bell = bell / bell.sum()
    torch.testing.assert_close(seen(impulse, "blur1")[0, 0, 4:11, 4:11], torch.outer(bell, bell))


def test_the_classifier_sees_pictures_shrunk_without_aliases():
    stripes = torch.ones(1, 3, 64, 64)
    stripes[..., 0::4] = stripes[..., 3::4] = -1
    assert shown(stripes, "clean", 16).abs().max() < 0.2
