"""Tasks of upscaling, restoration and colorization networks, tiny: few people, 32 px."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from pydantic import ValidationError

from engine.core.errors import InputError
from engine.core.progress import Silence
from engine.data.degradation import Degradation
from engine.data.landscapes import WorldPlan
from engine.data.mixed_worlds import (
    CleanPictures,
    LandscapeShare,
    MixedData,
    PhotographShare,
)
from engine.data.portraits import PortraitPlan
from engine.losses.pixel import l1_of_each
from engine.nets.named import load_age_estimator, load_distance
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.nano.enhancers import NanoColour, NanoFace
from engine.nets.nano.unet import NanoUNet, UNetSpec
from engine.runtime.draws import Draws
from engine.training.task import StepContext
from engine.trainings.colorization.task import ColorizationTask
from engine.trainings.predictions import seeded
from engine.trainings.restoration.recipe import CompactNet
from engine.trainings.restoration.task import RestorationLoss, RestorationTask
from engine.weights.native import read_native, save_native

TRAIN = PortraitPlan(first=901_200, people=4, scenes=1, ages=2, size=32)
VALIDATION = PortraitPlan(first=901_300, people=2, scenes=1, ages=2, size=32)
CPU = torch.device("cpu")
WIDTHS = (6, 8)
SHARE = LandscapeShare(
    train=WorldPlan(first=900_000, count=6, size=32),
    validation=WorldPlan(first=900_100, count=2, size=32),
    share=0.5,
)
PORTRAITS = MixedData(train=TRAIN, validation=VALIDATION)
MIXED = MixedData(train=TRAIN, validation=VALIDATION, landscapes=SHARE)


def upscaling():
    net = seeded(CompactNet(width=6, depth=1).build, 0)
    return RestorationTask(net, "compact", MIXED, Degradation(severity=0.3), RestorationLoss(),
                           scale=2, patch=24)  # fmt: skip


def restoration(data=PORTRAITS):
    net = seeded(lambda: NanoFace(NanoUNet(UNetSpec(3, 3, 4, WIDTHS))), 0)
    return RestorationTask(net, "face", data, Degradation(severity=0.3), RestorationLoss(),
                           scale=1, patch=32)  # fmt: skip


def adversarial():
    """With a discriminator, a perceptual distance and an age estimator."""
    net = seeded(lambda: NanoFace(NanoUNet(UNetSpec(3, 3, 4, WIDTHS))), 0)
    loss = RestorationLoss(perceptual=1.0, age=5.0, adversarial=0.1, matching=0.5, r1_every=2)
    return RestorationTask(net, "face", PORTRAITS, Degradation(severity=0.3), loss,
                           scale=1, patch=32,
                           discriminator=seeded(lambda: NanoDiscriminator(3, (4, 6)), 1),
                           perceptual=load_distance("nano-identity-features", CPU),
                           age=load_age_estimator("nano-age", CPU))  # fmt: skip


def colorization():
    net = seeded(lambda: NanoColour(NanoUNet(UNetSpec(1, 2, 4, WIDTHS))), 0)
    return ColorizationTask(net, MIXED, Degradation(severity=0.3), size=16)


MAKERS = {
    "compact": upscaling,
    "face": restoration,
    "adversarial": adversarial,
    "colour": colorization,
}


@pytest.fixture(params=list(MAKERS))
def task(request):
    made = MAKERS[request.param]()
    made.prepare(Silence())
    return made


def context(step=0, positions=range(4)):
    return StepContext(step, "main", step, Draws(3, step, positions))


def test_a_batch_belongs_to_its_step_and_its_places(task):
    whole, again = (task.batch(context(5), 4) for _ in range(2))
    half = task.batch(context(5, range(2, 4)), 4)
    for key, values in whole.items():
        assert torch.equal(values, again[key])
        assert torch.equal(values[2:], half[key])
    assert not torch.equal(whole["clean"], task.batch(context(6), 4)["clean"])


def test_a_share_of_the_pictures_are_landscapes_and_none_is_a_mixture():
    both, one = (CleanPictures.rendered(data, Silence()) for data in (MIXED, PORTRAITS))
    draws = Draws(1, 0, range(200))
    mixed, portraits = both.batch(draws, batch=200), one.batch(draws, batch=200)
    scenes = {picture.tobytes() for picture in both.landscapes.tensor(range(6)).numpy()}
    kept = (mixed == portraits).flatten(1).all(dim=1).numpy()
    assert 0.35 < kept.mean() < 0.65
    others = [picture.numpy().tobytes() for picture in mixed[~kept]]
    assert {*others} == scenes


def test_a_share_of_the_pictures_are_photographs_at_their_own_size(tmp_path):
    for index, side in enumerate((20, 32, 48)):
        Image.fromarray(np.full((side, side, 3), 60 * index, np.uint8)).save(
            tmp_path / f"{index}.png"
        )
    (tmp_path / "broken.png").write_bytes(b"no picture")
    share = PhotographShare(folder=str(tmp_path), share=0.5)
    data = MIXED.model_copy(update={"photographs": share})
    clean = CleanPictures.rendered(data, Silence())
    assert clean.photographs.shape == (3, 32, 32, 3)
    batch = clean.batch(Draws(1, 0, range(200)), batch=200)
    flat = (batch.amax((1, 2, 3)) - batch.amin((1, 2, 3)) < 1e-6).float().mean()
    assert 0.35 < flat < 0.65
    task = restoration(data)
    task.prepare(Silence())
    assert task.checkpoint(task.parts).facts["photographs"] == 3
    (tmp_path / "empty").mkdir()
    empty = PhotographShare(folder=str(tmp_path / "empty"))
    with pytest.raises(InputError, match="has no photograph"):
        CleanPictures.rendered(data.model_copy(update={"photographs": empty}), Silence())


def test_landscapes_have_metrics_of_their_own(task):
    with torch.no_grad():
        metrics = task.validate(task.parts, CPU)
    landscapes = any(name.endswith("_landscapes") for name in metrics)
    assert landscapes == (task.data.landscapes is not None)


def test_training_lowers_the_loss_and_changes_the_metric_of_the_best(task):
    net = next(iter(task.parts.values()))
    batch, losses = task.batch(context(), 4), []
    with torch.no_grad():
        before = task.validate(task.parts, CPU)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(40):
        terms = task.terms("main", batch, context())
        total = sum(term.value * term.weight for term in terms.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())
    assert losses[-1] < 0.9 * losses[0]
    with torch.no_grad():
        after = task.validate(task.parts, CPU)
    assert after[task.best.metric] != before[task.best.metric]


def test_the_delivered_state_is_that_of_the_network(task, tmp_path):
    name, net = next(iter(task.parts.items()))
    save_native(tmp_path / "w.safetensors", task.checkpoint(task.parts))
    delivered = read_native(tmp_path / "w.safetensors")
    assert delivered is not None
    own = net.state_dict()
    stored = delivered.part(name)
    assert {key.removeprefix("net.") for key in own} == set(stored)
    with torch.no_grad():
        sheet = task.sample(task.parts, CPU)
    assert sheet.ndim == 3


def test_the_discriminator_loss_falls_on_the_outputs_of_the_step():
    task = adversarial()
    task.prepare(Silence())
    discriminator = task.parts["discriminator"]
    batch, losses = task.batch(context(), 4), []
    optimizer = torch.optim.Adam(discriminator.parameters(), 1e-2)
    task.terms("main", batch, context())
    for step in range(1, 60):
        assert task.terms("main", batch, context(step)).keys() >= {
            "perceptual",
            "age",
            "adversarial",
        }
        terms = task.terms("discriminator", batch, context(step))
        assert ("r1" in terms) == (step % 2 == 0)
        optimizer.zero_grad()
        sum(term.value * term.weight for term in terms.values()).backward()
        optimizer.step()
        losses.append(terms["discriminator"].value.item())
    assert losses[-1] < 0.9 * losses[0]


def test_a_task_resumed_between_its_optimizer_steps_computes_the_same_output_again():
    task, other = adversarial(), adversarial()
    for one in (task, other):
        one.prepare(Silence())
    batch = task.batch(context(3), 4)
    task.terms("main", batch, context(3))
    one, again = (
        each.terms("discriminator", batch, context(3))["discriminator"].value
        for each in (task, other)
    )
    assert torch.allclose(one, again)


def test_an_untrained_restoration_network_is_the_identity():
    face = torch.rand(1, 3, 32, 32) * 2 - 1
    assert torch.equal(NanoFace(NanoUNet(UNetSpec(3, 3, 4, WIDTHS)))(face), face)


def test_a_net_that_begins_as_bicubic_enlarges_like_it_and_can_learn():
    net = seeded(CompactNet(width=20, depth=3, begin="bicubic").build, 0)
    small = torch.rand(2, 3, 12, 14)
    with torch.no_grad():
        made, truth = (
            picture[..., 6:-6, 6:-6]
            for picture in (net(small), F.interpolate(small, scale_factor=2, mode="bicubic"))
        )
    assert torch.allclose(made, truth, atol=1e-6)
    net(small).square().mean().backward()
    assert net.body[-1].weight.grad[:, 15:].abs().sum() > 0


@pytest.mark.parametrize("wrong", [{"scale": 4}, {"width": 12}, {"depth": 1}])
def test_a_net_too_small_for_bicubic_is_refused(wrong):
    with pytest.raises(ValidationError, match=r"needs `scale = 2`, a `width` of 16"):
        CompactNet(begin="bicubic", **wrong)


def test_relative_errors_weigh_samples_by_what_interpolation_leaves():
    task = upscaling()
    task.loss = RestorationLoss(relative=0.25)
    clean = torch.zeros(2, 3, 24, 24)
    inputs = torch.stack([torch.full((3, 12, 12), level) for level in (0.25, 0.75)])
    error = task._error(l1_of_each, clean + 0.5, inputs, clean)
    assert error.item() == pytest.approx((0.5 / 0.5 + 0.5 / 1.0) / 2, rel=1e-5)
    task.loss = RestorationLoss()
    assert task._error(l1_of_each, clean + 0.5, inputs, clean).item() == pytest.approx(0.5)


def test_the_shape_of_a_u_net_is_read_off_its_state():
    spec = UNetSpec(1, 2, 4, (6, 8, 10))
    net = NanoUNet.from_state(NanoUNet(spec).state_dict())
    assert net.spec == spec
    assert net.spec.multiple == 16
