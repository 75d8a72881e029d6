"""The landscape trainings, tiny: 16 px, a handful of scenes."""

from dataclasses import replace

import pytest
import torch

from engine.core.progress import Silence
from engine.data.landscapes import WorldPlan
from engine.landscapes.losses.base import LANDSCAPE_LOSSES
from engine.landscapes.losses.inputs import LandscapeNetworks
from engine.landscapes.nets.discriminator import DiscriminatorSpec, LandscapeDiscriminator
from engine.landscapes.nets.encoder import EncoderSpec, LandscapeEncoder
from engine.landscapes.nets.evaluator import VaEvaluator, VaEvaluatorSpec
from engine.landscapes.nets.generator import GeneratorSpec, LandscapeGenerator, of_units
from engine.landscapes.training.adversarial import (
    AdversarialSettings,
    HopelessError,
    LandscapeSetup,
    LandscapeTask,
)
from engine.landscapes.training.autoencoder import LandscapeVaeTask
from engine.landscapes.training.data import LandscapeSource
from engine.landscapes.training.evaluator import VaEvaluatorTask
from engine.landscapes.training.recipe import scale_distance
from engine.nets.loading import frozen
from engine.runtime.draws import Draws
from engine.schedules import parse_schedule
from engine.training.task import StepContext

CPU = torch.device("cpu")
LEARN, CHECK = (WorldPlan(first=first, count=20, size=16) for first in (0, 400_000))
SOURCE = LandscapeSource(LEARN, CHECK, label_noise=0.02)
KINDS = ("hinge", "reconstruction", "code_spread", "place", "r1")


def losses(*kinds):
    return [LANDSCAPE_LOSSES[kind](weight=parse_schedule(1.0)) for kind in kinds]


def parts(*, units=None):
    torch.manual_seed(5)
    return LandscapeNetworks(
        LandscapeGenerator(GeneratorSpec(6, (8, 8, 6), units=units, hidden=4)),
        LandscapeDiscriminator(DiscriminatorSpec((6, 8, 8), 1)),
        LandscapeEncoder(EncoderSpec(6, (6, 8))),
        scale_distance,
    )


def prepared(task):
    task.prepare(Silence())
    for net in task.frozen.values():
        frozen(net)
    task.precompute(CPU, Silence())
    return task


def game(*kinds, **how):
    setting = LandscapeSetup(
        SOURCE, losses(*(kinds if kinds else KINDS)), AdversarialSettings(**how)
    )
    return prepared(LandscapeTask(parts(), setting))


def context(step=0, seed=3):
    return StepContext(step, "main", step, Draws(seed, step, range(6)))


def turned(task, optimizer_step, batch, at):
    for name, net in task.parts.items():
        net.train().requires_grad_(name in task.optimizer_steps[optimizer_step])
    terms = task.terms(optimizer_step, batch, at)
    torch.stack([t.value * t.weight for t in terms.values() if t.weight]).sum().backward()
    return terms


def slopes(net):
    return any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in net.parameters())


@pytest.fixture(scope="module")
def renders(tmp_path_factory):
    return tmp_path_factory.mktemp("renders")


@pytest.fixture(autouse=True)
def _rendered_once(_away_from_home, renders, monkeypatch):
    monkeypatch.setenv("TM_CACHE", str(renders))


@pytest.fixture
def nets():
    def delivered(task):
        return {name: frozen(net) for name, net in task.parts.items()}

    return delivered


@pytest.mark.parametrize("how", [{}, {"wishes": "uniform", "wish_noise": 0.1}, {"wishes": "batch"}])
def test_a_batch_is_a_function_of_the_step(how):
    task = game(**how)
    one, same, other = (task.batch(context(step), 6) for step in (4, 4, 5))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["normal"], other["normal"])
    assert one["real"].shape == (6, 3, 16, 16)
    for name in ("places", "asked", "elsewhere"):
        assert ((one[name] >= 0) & (one[name] <= 1)).all()
    if how.get("wishes") == "batch":
        assert torch.equal(one["asked"], one["places"])


def test_each_turn_moves_its_own_networks():
    task = game()
    batch = task.batch(context(), 6)
    terms = turned(task, "discriminator", batch, context())
    assert {"judge/hinge", "judge/place", "judge/r1"} < set(terms)
    assert slopes(task.parts["discriminator"])
    assert not slopes(task.parts["generator"])
    terms = turned(task, "generator", batch, context())
    assert {"paint/hinge", "paint/reconstruction"} < set(terms)
    assert slopes(task.parts["generator"])
    assert slopes(task.parts["encoder"])


def test_pictures_are_rebuilt_from_their_own_codes_not_from_chance():
    task = game("hinge", "reconstruction")
    batch = task.batch(context(), 6)
    stranger = {**batch, "normal": torch.randn(6, 6)}
    found = [
        task.terms("generator", b, context())["paint/reconstruction"] for b in (batch, stranger)
    ]
    assert torch.equal(found[0].value, found[1].value)
    elsewhere = {**batch, "real": batch["real"].flip(0)}
    assert not torch.equal(
        task.terms("generator", elsewhere, context())["paint/reconstruction"].value, found[0].value
    )


def test_codes_by_chance_follow_the_encoder_only_if_they_are_to():
    for follow in (True, False):
        task = game(follow=follow)
        turned(task, "generator", task.batch(context(), 6), context())
        spread = task.nets.generator.get_buffer("code_spread")
        assert bool((spread != 1).any()) is follow


def test_the_chance_of_changes_follows_the_logits_of_real_pictures():
    task = game(changes=("translation", "cutout"), adaptive=True, slow=100)
    chance = task.discriminator.get_buffer("augment")
    with torch.no_grad():
        task.discriminator.real.bias.fill_(100.0)
    task.terms("discriminator", task.batch(context(), 6), context())
    assert chance == pytest.approx(4 * 6 / 100)
    task.terms("discriminator", task.batch(context(1), 6), context(1))
    assert chance == pytest.approx(4 * 6 / 100)


def test_figures_tell_mood_distribution_variety_and_units(nets):
    task = game()
    figures = task.validate(nets(task), CPU)
    wanted = {"selection_score", "ccc_valence", "ccc_arousal", "kernel", "frechet", "variety",
              "corners", "copies", "red_flags", "v_luma", "a_edges", "gamma", "clipped",
              "moved"}  # fmt: skip
    assert wanted < set(figures)
    assert all(torch.isfinite(torch.tensor(value)) for value in figures.values())
    assert figures == task.validate(nets(task), CPU)
    assert figures["gamma"] == pytest.approx(1.2)


def test_red_flags_are_told_and_end_a_hopeless_run_after_so_many(nets):
    task = game(stop_after=2)
    told = []
    task.told = replace_remark(told)
    with torch.no_grad():
        task.nets.generator.paint.weight.zero_()
    task.validate(nets(task), CPU)
    assert any("`collapse`" in line for line in told)
    assert any("`contrast`" in line for line in told)
    assert task.discriminator.get_buffer("flagged") == 1
    with pytest.raises(HopelessError, match="2 validations in a row"):
        task.validate(nets(task), CPU)


def replace_remark(told):
    quiet = Silence()
    quiet.remark = told.append
    return quiet


def test_units_that_go_beyond_their_range_or_stand_still_are_warned_of(nets):
    task, told = game(), []
    task.told = replace_remark(told)
    with torch.no_grad():
        for unit in task.nets.generator.units:
            unit.valence.gamma[-1].bias.fill_(9.0)
            unit.valence.scale.fill_(9.0)
    figures = task.validate(nets(task), CPU)
    # All weights at their worst: 1.5 x 1.2, times the largest scale.
    assert figures["gamma"] == pytest.approx(1.8 * 1.5)
    assert figures["clipped"] == 1
    assert any("scaled gamma at 2.7" in line for line in told)
    assert any("at their edge" in line for line in told)
    assert of_units(parts(units=0).generator) == {"gamma": 0, "clipped": 0, "moved": 0}


def test_a_judge_of_its_own_takes_the_place_of_the_ridge(nets):
    torch.manual_seed(1)
    judge = VaEvaluator(VaEvaluatorSpec(16, (6, 8)))
    setting = LandscapeSetup(SOURCE, losses("hinge"), AdversarialSettings(), judge, "runs/judge")
    task = prepared(LandscapeTask(parts(), setting))
    assert task.validate(nets(task), CPU) != game("hinge").validate(nets(task), CPU)
    assert task.checkpoint(nets(task)).facts["evaluated_by"] == "runs/judge"


def test_samples_show_one_scene_over_the_plane_and_six_scenes(nets):
    task = game()
    picture = task.sample(nets(task), CPU)
    assert picture.shape == (5 * 16, 3 * 16, 3)
    assert (picture == task.sample(nets(task), CPU)).all()


def test_what_is_delivered_is_painted_again_from_the_file(nets):
    task = game()
    kept = task.checkpoint(nets(task))
    again = LandscapeGenerator.from_state(kept.part("generator"))
    codes, places = torch.randn(2, 6), torch.rand(2, 2)
    assert torch.equal(again(codes, places), task.nets.generator.eval()(codes, places))
    assert kept.facts["scale"] == "0..1"


def test_the_warm_start_learns_codes_and_says_where_they_lie(nets):
    source = replace(SOURCE, flip=False)
    task = prepared(LandscapeVaeTask(parts(), source, losses("reconstruction", "code_spread")))
    optimizer = torch.optim.Adam(
        [p for net in task.parts.values() for p in net.parameters()], lr=1e-2
    )
    first = task.validate(nets(task), CPU)
    for step in range(40):
        for net in task.parts.values():
            net.train().requires_grad_(True)
        terms = task.terms("main", task.batch(context(step), 6), context(step))
        optimizer.zero_grad()
        (terms["paint/reconstruction"].value + 0.01 * terms["paint/code_spread"].value).backward()
        optimizer.step()
    delivered = nets(task)
    assert task.validate(delivered, CPU)["psnr"] > first["psnr"] + 1
    state = task.checkpoint(delivered).part("generator")
    assert (state["code_spread"] > 0).all()
    assert not torch.equal(state["code_mean"], torch.zeros(6))
    assert task.sample(delivered, CPU).shape == (2 * 16, 6 * 16, 3)


def test_the_judge_learns_from_pictures_and_reports_its_ceiling(nets):
    torch.manual_seed(2)
    task = prepared(VaEvaluatorTask(VaEvaluator(VaEvaluatorSpec(16, (6, 8))), SOURCE))
    batch = task.batch(context(), 6)
    assert set(turned(task, "main", batch, context())) == {"valence", "arousal"}
    assert slopes(task.parts["judge"])
    figures = task.validate(nets(task), CPU)
    assert figures["mae"] == pytest.approx((figures["mae_valence"] + figures["mae_arousal"]) / 2)
    assert "judge" in task.checkpoint(nets(task)).parts
