import dataclasses

import numpy as np
import pytest
import torch

from engine.photo.ageing import age_change, age_subject
from engine.photo.refiner import STRONGEST, RefinerNet, lit, softened
from engine.photo.refining import refinable, refined
from engine.photo.subject import prepare_subject


def restless(seed=3):
    """A refiner that changes much, as none that is trained would."""
    torch.manual_seed(seed)
    net = RefinerNet()
    torch.nn.init.normal_(net.last.weight, std=20.0)
    return net.eval()


@pytest.fixture
def subject(portrait, model):
    pixels, points = portrait
    return prepare_subject(pixels, points, model)


def with_refiner(subject, net):
    return dataclasses.replace(subject, model=dataclasses.replace(subject.model, refiner=net))


def test_a_new_refiner_changes_nothing(subject):
    plain = age_subject(subject, 50, 80)
    refined_by_zero = age_subject(with_refiner(subject, RefinerNet().eval()), 50, 80)
    assert np.abs(plain.astype(int) - refined_by_zero).max() <= 1


def test_it_changes_the_skin_of_the_face_and_nothing_else(subject):
    work = subject.work
    change = age_change(subject, 50, 80).levels
    own = refined(restless(), work, change, (50.0, 80.0)) - (
        np.clip(work.rgb + change, 0, 255) - work.rgb
    )
    allowed = refinable(work.layers)
    assert np.abs(own[allowed > 0.5]).mean() > 2
    assert np.abs(own[allowed == 0]).max() == 0
    eyes = work.layers.fixed > 0.99
    assert eyes.any()
    assert np.abs(own[eyes]).max() < 3


@pytest.mark.parametrize("target", [30.0, 80.0])
def test_it_keeps_the_light_of_the_face_as_a_whole(target):
    net, random = restless(), np.random.default_rng(5)
    picture = torch.from_numpy(random.uniform(-1, 1, (2, 3, 192, 192)).astype(np.float32))
    mask = torch.zeros(2, 1, 192, 192)
    mask[:, :, 40:150, 50:140] = 1
    age = torch.full((2,), 55.0)
    with torch.no_grad():
        light = net(picture, mask, age, torch.full((2,), target))
    mean = (light * mask).sum((2, 3)) / mask.sum((2, 3))
    assert mean.abs().max() < 1e-5
    assert 0.05 < light.abs().max() <= 2 * STRONGEST
    assert lit(picture, light).abs().max() <= 1


def test_what_grows_lighter_is_shown_by_half():
    light = torch.tensor([-0.3, 0.0, 0.2])
    assert torch.allclose(softened(light), torch.tensor([-0.3, 0.0, 0.1]))


def test_no_years_are_no_change_and_few_are_little():
    net = restless()
    picture, mask = torch.rand(1, 3, 192, 192) * 2 - 1, torch.ones(1, 1, 192, 192)
    age = torch.tensor([55.0])
    with torch.no_grad():
        sizes = [float(net(picture, mask, age, age + y).abs().mean()) for y in (0, 1, 40)]
    assert sizes[0] == 0
    assert 0 < sizes[1] < 0.2 * sizes[2]


def test_a_grey_photograph_stays_grey(portrait, model):
    pixels, points = portrait
    grey = np.repeat(pixels.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    made = age_subject(with_refiner(prepare_subject(grey, points, model), restless()), 50, 80)
    assert np.ptp(made.astype(int), axis=2).max() <= 2


def test_strength_holds_for_the_refiner_too(subject):
    own = with_refiner(subject, restless())
    half, whole = (age_change(own, 50, 80, strength=s).levels for s in (0.5, 1.0))
    assert half == pytest.approx(whole / 2)
