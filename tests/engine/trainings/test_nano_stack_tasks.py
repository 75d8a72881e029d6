"""Tasks of the nano generator and of the ageing prior, tiny: few people, 64 px."""

import dataclasses
from copy import deepcopy

import numpy as np
import pytest
import torch

from engine.core.progress import Silence
from engine.data.portraits import PortraitData, PortraitPlan
from engine.nets.loading import frozen
from engine.nets.nano.age import AgeSpec, NanoAge
from engine.nets.nano.ageing import NanoAgeing, NanoAgeingSpec
from engine.nets.nano.base import BaseSpec
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.nano.encoder import NanoEncoder, NanoEncoderSpec
from engine.nets.nano.generator import NanoGenerator, NanoGeneratorSpec
from engine.nets.nano.identity import IdentitySpec, NanoIdentity
from engine.runtime.draws import Draws
from engine.training.task import StepContext
from engine.trainings.autoencoder.task import Autoencoder, AutoencoderLoss, AutoencoderTask
from engine.trainings.prior.task import OUTLINE, PriorLoss, PriorNets, PriorTask

SIZE = 64
TRAIN = PortraitPlan(first=901_000, people=6, scenes=2, ages=3, size=SIZE)
VALIDATION = PortraitPlan(first=901_100, people=3, scenes=1, fixed=(10, 40, 80), size=SIZE)
DATA = PortraitData(train=TRAIN, validation=VALIDATION)
BASE = BaseSpec(size=SIZE, luma=8, colour=4, detail=12, window=(24, 20))
WIDTHS = (4, 6, 8)
CPU = torch.device("cpu")
OFF = {"adversarial": 0.0, "matching": 0.0}


def networks():
    torch.manual_seed(0)
    return Autoencoder(
        NanoEncoder(NanoEncoderSpec(BASE, 8, WIDTHS, 6)),
        NanoGenerator(NanoGeneratorSpec(BASE, 8, 6, 4)),
        NanoDiscriminator(3, WIDTHS),
    )


def identity_net():
    torch.manual_seed(1)
    return frozen(NanoIdentity(IdentitySpec(SIZE, 6, WIDTHS)))


def autoencoder(loss=AutoencoderLoss(r1_every=2), *, fitted=False):
    task = AutoencoderTask(networks(), DATA, loss, identity=identity_net(), fitted=fitted)
    task.prepare(Silence())
    return task


def prior(loss=PriorLoss(cycle_every=2, r1_every=2), *, planes=4):
    inversion = autoencoder().nets
    ageing = NanoAgeing(NanoAgeingSpec(BASE, 8, WIDTHS, 6))
    ageing.base.load_state_dict(inversion.encoder.base.state_dict())
    nets = PriorNets(
        ageing,
        NanoDiscriminator(planes, WIDTHS),
        frozen(inversion.encoder),
        frozen(inversion.decoder),
        identity_net(),
        frozen(NanoAge(AgeSpec(SIZE, 101, WIDTHS))),
    )
    task = PriorTask(nets, DATA, loss)
    task.prepare(Silence())
    return task


MAKERS = {
    "autoencoder": autoencoder,
    "prior": prior,
    "prior whose discriminator sees the photograph": lambda: prior(planes=7),
}


@pytest.fixture(params=list(MAKERS))
def task(request):
    return MAKERS[request.param]()


def context(step=0, positions=range(4), objective=""):
    return StepContext(step, "main", step, Draws(3, step, positions), objective)


def total(task, optimizer_step, batch, at):
    return sum(term.value * term.weight for term in task.terms(optimizer_step, batch, at).values())


def losses_on(task, optimizer_step, batch, at, steps=15, rate=3e-3):
    """The loss of an optimizer step before and after steps of its own parts."""
    own = [
        p for part in task.optimizer_steps[optimizer_step] for p in task.parts[part].parameters()
    ]
    optimizer = torch.optim.Adam(own, lr=rate)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = total(task, optimizer_step, batch, at)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[0], losses[-1]


def test_a_batch_belongs_to_its_step_alone(task):
    once, again, later = (task.batch(context(step), 4) for step in (4, 4, 5))
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert not torch.equal(once["noise"], later["noise"])


def test_two_processes_share_the_very_batch_of_one(task):
    whole = task.batch(context(2), 4)
    halves = [task.batch(context(2, part), 4) for part in (range(2), range(2, 4))]
    for name, value in whole.items():
        torch.testing.assert_close(torch.cat([half[name] for half in halves]), value)


def test_every_optimizer_step_lowers_its_loss_on_one_batch(task):
    batch = task.batch(context(), 4)
    for optimizer_step in task.optimizer_steps:
        first, last = losses_on(task, optimizer_step, batch, context(1))
        assert last < first


def test_the_discriminator_uses_the_output_of_its_step_or_computes_it(task):
    generator = next(iter(task.optimizer_steps))
    at = context(3)
    batch = task.batch(at, 4)
    alone = task.terms("discriminator", batch, at)["discriminator"].value
    task.terms(generator, batch, at)
    torch.testing.assert_close(task.terms("discriminator", batch, at)["discriminator"].value, alone)
    task.last_output = (at.step, torch.zeros_like(task.last_output[1]))
    assert task.terms("discriminator", batch, at)["discriminator"].value != alone


def test_a_conditional_discriminator_judges_the_picture_beside_its_photograph():
    task, at = prior(planes=7), context(2)
    batch = task.batch(at, 4)
    output = batch["truth"].flip(0)
    own = task.adversary.discriminator_terms(
        batch["truth"], output, at, batch["target_age"], beside=batch["photo"]
    )
    others = task.adversary.discriminator_terms(
        batch["truth"], output, at, batch["target_age"], beside=batch["photo"].flip(0)
    )
    assert own["discriminator"].value != others["discriminator"].value
    assert task.terms("discriminator", batch, at)["r1"].value.isfinite()


def test_the_adversary_gains_weight_step_by_step(task):
    generator = next(iter(task.optimizer_steps))
    weights = [
        task.terms(generator, task.batch(context(at), 4), context(at))["adversarial"].weight
        for at in (0, 75, 300)
    ]
    assert weights == pytest.approx([0, 0.15, 0.3])


def test_validation_is_deterministic_and_leaves_the_networks_alone(task):
    nets = {name: frozen(deepcopy(part)) for name, part in task.parts.items()}
    before = {name: deepcopy(net.state_dict()) for name, net in nets.items()}
    first, again = (task.validate(nets, CPU) for _ in range(2))
    assert first == again
    assert task.best.metric in first
    assert all(np.isfinite(value) for value in first.values())
    for name, net in nets.items():
        assert all(torch.equal(value, before[name][key]) for key, value in net.state_dict().items())


def test_a_sample_is_a_picture(task):
    picture = task.sample(task.parts, CPU)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3


def test_the_bases_are_fitted_once_and_are_the_same_in_both_networks():
    task = autoencoder()
    mine = task.nets.encoder.base.state_dict()
    assert all(
        torch.equal(mine[key], value) for key, value in task.nets.decoder.base.state_dict().items()
    )
    assert mine["luma_basis"].any()
    assert not autoencoder(fitted=True).nets.encoder.base.state_dict()["luma_basis"].any()


def test_a_loss_without_weight_is_not_computed():
    task = autoencoder(AutoencoderLoss(**OFF, texture=0, perceptual=0))
    assert set(task.terms("generator", task.batch(context(), 4), context())) == {
        "pixel",
        "gradient",
    }


def test_pairs_show_one_scene_at_two_ages_or_at_its_own():
    for same in (0.0, 1.0):
        task = prior(PriorLoss(same=same))
        batch = task.batch(context(), 4)
        equal = batch["source_age"] == batch["target_age"]
        assert equal.all() if same else not equal.any()
        apart = (batch["photo"] - batch["truth"]).abs().amax(dim=(1, 2, 3))
        assert not apart.any() if same else apart.all()


def test_the_objective_outline_trains_without_the_generator():
    task = prior()
    at = context(objective=OUTLINE)
    batch = task.batch(at, 4)
    assert task.terms("discriminator", batch, at) == {}
    first, last = losses_on(task, "ageing", batch, at, steps=40, rate=1e-3)
    assert last < first
    assert task.last_output is None


def test_an_untrained_prior_is_no_better_than_the_unchanged_photograph():
    task = prior()
    metrics = task.validate({name: frozen(net) for name, net in task.parts.items()}, CPU)
    assert metrics["psnr"] < metrics["psnr_unchanged"] + 1
    assert "age_mae" not in metrics


class Forty:
    """An estimator that takes everybody for 40."""

    def years(self, pictures):
        return pictures.new_full((len(pictures),), 40.0)


def test_the_ages_of_a_prior_are_those_of_an_evaluator_that_is_in_no_loss():
    task = prior()
    task.nets = dataclasses.replace(task.nets, age_evaluator=Forty())
    metrics = task.validate({name: frozen(net) for name, net in task.parts.items()}, CPU)
    assert metrics["age_mae"] == metrics["age_mae_truth"] == pytest.approx((30 + 0 + 40) / 3)


def test_the_prior_delivers_a_whole_ageing_model():
    task = prior()
    delivered = task.checkpoint(task.parts)
    assert set(delivered.parts) == {"encoder", "pretrained_encoder", "decoder"}
    again = NanoAgeing.from_state(delivered.part("encoder"))
    assert delivered.latent_avg.shape == (again.spec.n_styles, again.spec.style_width)
