import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from engine.losses.face.identity_adversarial import (
    Confidence,
    IdentityAdversarial,
    confidence_weight,
)
from engine.losses.face.views import Aggregate, apply_view, resized_view


class FirstPixel:
    """A classifier whose logits are the first pixel."""

    size = 32

    def __call__(self, pictures):
        return pictures[:, :2, 0, 0]


@pytest.fixture
def pass_of(make):
    """Loss inputs with these logits."""

    def build(*logits):
        inputs = make(target_age=torch.full((len(logits),), 40.0))
        output = torch.zeros_like(inputs.source)
        output[:, :2, 0, 0] = torch.tensor(logits)
        return replace(
            inputs, output=output, context=replace(inputs.context, classifier=FirstPixel()), memo={}
        )

    return build


def test_the_loss_is_focal_cross_entropy_and_a_hinge(pass_of):
    person = 1 / (1 + math.exp(-0.5))
    expected = 0.8 * -((1 - person) ** 1.5) * math.log(person) + 0.2 * (0.9 - 0.5)
    value, metrics = IdentityAdversarial(weight=1, gamma=1.5, margin=0.9).value(
        pass_of([0.25, 0.75])
    )
    assert value == pytest.approx(expected, rel=1e-5)
    assert metrics["person"] == pytest.approx(person)


def test_without_gamma_and_margin_it_is_cross_entropy(pass_of):
    value, _ = IdentityAdversarial(weight=1).value(pass_of([0.9, 0.1], [-0.3, 0.2]))
    logits = torch.tensor([[0.9, 0.1], [-0.3, 0.2]])
    hinge = torch.tensor([0.8, 0.0]).mean()
    expected = 0.8 * F.cross_entropy(logits, torch.ones(2, dtype=torch.long)) + 0.2 * hinge
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize(
    ("person", "weight"), [(0.9, 0.5), (0.0, 1.0), (1.0, 1 / (1 + math.exp(20 / 3)))]
)
def test_the_weight_falls_with_confidence(person, weight):
    # 1 / (1 + exp((p - 0.9) 6 / (0.9 0.1)))
    result = confidence_weight(torch.tensor([person]), Confidence())
    assert result.item() == pytest.approx(weight, abs=1e-5)


def test_the_weight_of_a_sample_has_no_gradient(pass_of):
    plain, weighed = (
        IdentityAdversarial(weight=1, confidence=confidence) for confidence in (None, Confidence())
    )
    gradients = []
    for loss in (plain, weighed):
        inputs = pass_of([0.0, 1.0])
        inputs.output.requires_grad_()
        loss.value(inputs)[0].backward()
        gradients.append(inputs.output.grad[0, :2, 0, 0])
    person = torch.tensor([1 / (1 + math.exp(-1))])
    torch.testing.assert_close(gradients[1], gradients[0] * confidence_weight(person, Confidence()))


def test_one_view_alone_is_computed_with_a_gradient(make):
    inputs = make()
    loss = IdentityAdversarial(weight=1, report="mean(clean,flip)+0.5*min(jpeg75,blur0.6)")
    inputs.output.requires_grad_()
    value, metrics = loss.value(inputs)
    assert inputs.context.classifier.with_gradient == 1
    alone, _ = IdentityAdversarial(weight=1).value(inputs)
    assert value == alone
    assert metrics["report"].isfinite()


def test_the_report_is_the_expression_over_the_probabilities(make):
    inputs = make()
    views = ("clean", "flip", "jpeg75", "blur0.6")
    person = {
        view: inputs.context.classifier(resized_view(inputs.output, view, 16)).softmax(1)[:, 1]
        for view in views
    }
    expected = (person["clean"] + person["flip"]) / 2
    expected = expected + 0.5 * torch.minimum(person["jpeg75"], person["blur0.6"])
    loss = IdentityAdversarial(weight=1, report="mean(clean,flip) + 0.5*min(jpeg75,blur0.6)")
    torch.testing.assert_close(loss.value(inputs)[1]["report"], expected.mean())


def test_the_loss_may_use_another_view(make):
    inputs = make()
    flipped = make(output=inputs.output.flip(3))
    torch.testing.assert_close(
        IdentityAdversarial(weight=1, view="flip").value(inputs)[0],
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
def test_expressions_over_views(text, value):
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
        torch.testing.assert_close(apply_view(plain, view), plain)


def test_views_degrade_what_they_say():
    torch.manual_seed(0)
    picture = torch.randn(1, 3, 16, 16)
    assert torch.equal(apply_view(picture, "flip"), picture.flip(3))
    strengths = [apply_view(picture, view).var().item() for view in ("clean", "blur0.6", "blur2")]
    assert strengths == sorted(strengths, reverse=True)
    impulse = torch.zeros(1, 3, 15, 15)
    impulse[..., 7, 7] = 1
    bell = torch.exp(-0.5 * (torch.arange(-3, 4) / 1.0) ** 2)
    bell = bell / bell.sum()
    torch.testing.assert_close(
        apply_view(impulse, "blur1")[0, 0, 4:11, 4:11], torch.outer(bell, bell)
    )


def test_views_are_shrunk_without_aliasing():
    stripes = torch.ones(1, 3, 64, 64)
    stripes[..., 0::4] = stripes[..., 3::4] = -1
    assert resized_view(stripes, "clean", 16).abs().max() < 0.2
