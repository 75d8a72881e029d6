"""The landscape trainings, tiny: 16 px, twenty scenes."""

import numpy as np
import pytest
import torch

from engine.config.load import load_recipe
from engine.core.errors import InputError, RecipeError
from engine.core.progress import Silence
from engine.data.landscapes import Landscapes, WorldPlan
from engine.landscapes.losses.base import LANDSCAPE_LOSSES
from engine.landscapes.losses.inputs import LandscapeNetworks
from engine.landscapes.nets.discriminator import DiscriminatorSpec, LandscapeDiscriminator
from engine.landscapes.nets.encoder import EncoderSpec, LandscapeEncoder
from engine.landscapes.nets.evaluator import VaEvaluator, VaEvaluatorSpec
from engine.landscapes.nets.generator import GeneratorSpec, LandscapeGenerator, eru_statistics
from engine.landscapes.nets.structure import StructureEvaluator, StructureEvaluatorSpec
from engine.landscapes.trainings.adversarial.settings import AdversarialTable
from engine.landscapes.trainings.adversarial.task import LandscapeTask, RedFlagError
from engine.landscapes.trainings.autoencoder.task import LandscapeVaeTask
from engine.landscapes.trainings.data import LandscapeData, LandscapeSource
from engine.landscapes.trainings.networks import multiscale_l1
from engine.landscapes.trainings.structure_evaluator.task import StructureEvaluatorTask
from engine.landscapes.trainings.va_evaluator.task import VaEvaluatorTask
from engine.nets.loading import frozen
from engine.runtime.draws import Draws
from engine.schedules import parse_schedule
from engine.training.task import StepContext
from engine.worlds.landscapes import KINDS as SCENES
from engine.worlds.landscapes import render, scene, scene_va

CPU = torch.device("cpu")
TRAIN, VALIDATION = (WorldPlan(first=first, count=20, size=16) for first in (0, 400_000))
DATA = LandscapeData(train=TRAIN, validation=VALIDATION, label_noise=0.02)
SOURCE = LandscapeSource(DATA)
KINDS = ("hinge", "reconstruction", "kl", "valence_arousal", "r1")


def losses(*kinds):
    return [LANDSCAPE_LOSSES[kind](weight=parse_schedule(1.0)) for kind in kinds]


def networks(*, units=None):
    torch.manual_seed(5)
    return LandscapeNetworks(
        LandscapeGenerator(GeneratorSpec(6, (8, 8, 6), units=units, hidden=4)),
        LandscapeDiscriminator(DiscriminatorSpec((6, 8, 8), 1)),
        LandscapeEncoder(EncoderSpec(6, (6, 8))),
        multiscale_l1,
    )


def prepared(task):
    task.prepare(Silence())
    for net in task.frozen.values():
        frozen(net)
    task.precompute(CPU, Silence())
    return task


def adversarial_task(*kinds, **settings):
    chosen = losses(*(kinds if kinds else KINDS))
    return prepared(LandscapeTask(networks(), SOURCE, chosen, AdversarialTable(**settings)))


def context(step=0, seed=3):
    return StepContext(step, "main", step, Draws(seed, step, range(6)))


def run_step(task, optimizer_step, batch, at):
    for name, net in task.parts.items():
        net.train().requires_grad_(name in task.optimizer_steps[optimizer_step])
    terms = task.terms(optimizer_step, batch, at)
    torch.stack([t.value * t.weight for t in terms.values() if t.weight]).sum().backward()
    return terms


def has_gradient(net):
    return any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in net.parameters())


@pytest.fixture(scope="module")
def renders(tmp_path_factory):
    return tmp_path_factory.mktemp("renders")


@pytest.fixture(autouse=True)
def _rendered_once(_away_from_home, renders, monkeypatch):
    monkeypatch.setenv("TM_CACHE", str(renders))


@pytest.fixture
def nets():
    def frozen_nets(task):
        return {name: frozen(net) for name, net in task.parts.items()}

    return frozen_nets


@pytest.mark.parametrize(
    "settings",
    [{}, {"target_sampling": "uniform", "target_noise": 0.1}, {"target_sampling": "batch"}],
)
def test_a_batch_is_a_function_of_the_step(settings):
    task = adversarial_task(**settings)
    one, same, other = (task.batch(context(step), 6) for step in (4, 4, 5))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["noise"], other["noise"])
    assert one["real"].shape == (6, 3, 16, 16)
    for name in ("va", "target_va", "other_va"):
        assert ((one[name] >= 0) & (one[name] <= 1)).all()
    if settings.get("target_sampling") == "batch":
        assert torch.equal(one["target_va"], one["va"])


def test_each_optimizer_step_has_gradients_in_its_own_networks():
    task = adversarial_task()
    batch = task.batch(context(), 6)
    terms = run_step(task, "discriminator", batch, context())
    assert {"discriminator/hinge", "discriminator/valence_arousal", "discriminator/r1"} < set(terms)
    assert has_gradient(task.parts["discriminator"])
    assert not has_gradient(task.parts["generator"])
    terms = run_step(task, "generator", batch, context())
    assert {"generator/hinge", "generator/reconstruction"} < set(terms)
    assert has_gradient(task.parts["generator"])
    assert has_gradient(task.parts["encoder"])


def test_images_are_reconstructed_from_their_own_latents():
    task = adversarial_task("hinge", "reconstruction")
    batch = task.batch(context(), 6)

    def reconstruction(**changes):
        terms = task.terms("generator", {**batch, **changes}, context())
        return terms["generator/reconstruction"].value

    assert torch.equal(reconstruction(), reconstruction(noise=torch.randn(6, 6)))
    assert not torch.equal(reconstruction(), reconstruction(real=batch["real"].flip(0)))


def test_random_latents_follow_the_encoder_unless_they_are_standard_normal():
    for latents in ("fitted", "normal"):
        task = adversarial_task(latents=latents)
        run_step(task, "generator", task.batch(context(), 6), context())
        spread = task.networks.generator.get_buffer("code_spread")
        assert bool((spread != 1).any()) is (latents == "fitted")


def test_the_augmentation_probability_follows_the_logits_of_real_images():
    task = adversarial_task(augmentations=("translation", "cutout"), adaptive=True, ada_images=100)
    probability = task.discriminator.get_buffer("augment")
    with torch.no_grad():
        task.discriminator.real.bias.fill_(100.0)
    task.terms("discriminator", task.batch(context(), 6), context())
    assert probability == pytest.approx(4 * 6 / 100)
    task.terms("discriminator", task.batch(context(1), 6), context(1))
    assert probability == pytest.approx(4 * 6 / 100)


def test_the_validation_has_all_metrics(nets):
    task = adversarial_task()
    metrics = task.validate(nets(task), CPU)
    expected = {"selection_score", "ccc_valence", "ccc_arousal", "kernel_distance",
                "frechet_distance", "latent_diversity", "va_diversity", "copies", "red_flags",
                "valence_luma", "arousal_edges", "gamma_max", "gamma_clipped",
                "gamma_std"}  # fmt: skip
    assert expected < set(metrics)
    assert all(torch.isfinite(torch.tensor(value)) for value in metrics.values())
    assert metrics == task.validate(nets(task), CPU)
    assert metrics["gamma_max"] == pytest.approx(1.2)
    # Fresh units have a base of 0: gamma is 0.8 to 1.2 along its axis, the scale 1.
    for axis in ("valence", "arousal"):
        own = [metrics[f"eru/{axis}/{name}"] for name in ("gamma_min", "gamma_mean", "gamma_max")]
        assert own == pytest.approx([0.8, 1.0, 1.2])
        assert metrics[f"eru/{axis}/scale"] == 1


def test_a_range_of_emotions_is_learned_alone():
    va = torch.rand(200, 2).numpy()
    everything = Landscapes(np.zeros((200, 4, 4, 3), np.uint8), va)
    only = LandscapeSource(DATA.model_copy(update={"only": "arousal > 0.6"}))
    some = only._within(everything)
    assert 0 < len(some) < 200
    assert bool((some.va[:, 1] > 0.6).all())
    assert SOURCE._within(everything) is everything
    few = LandscapeSource(DATA.model_copy(update={"only": "arousal > 0.99 and valence < 0.01"}))
    with pytest.raises(InputError, match="fewer than 16"):
        few._within(everything)
    with pytest.raises(ValueError, match="write it as `arousal > 0.6`"):
        LandscapeData(train=TRAIN, validation=VALIDATION, only="dominance > 1")


def test_red_flags_are_reported_and_end_the_run_after_the_patience(nets):
    task = adversarial_task(red_flag_patience=2)
    remarks = []
    task.progress = replace_remark(remarks)
    with torch.no_grad():
        task.networks.generator.paint.weight.zero_()
    metrics = task.validate(nets(task), CPU)
    assert {"flag/collapse", "flag/contrast"} <= set(metrics)
    assert any("`collapse`" in line for line in remarks)
    assert any("`contrast`" in line for line in remarks)
    assert task.discriminator.get_buffer("flagged") == 1
    with pytest.raises(RedFlagError, match="2 consecutive validations"):
        task.validate(nets(task), CPU)


def replace_remark(remarks):
    quiet = Silence()
    quiet.remark = remarks.append
    return quiet


def test_validations_warn_of_units_near_their_bounds(nets):
    task, remarks = adversarial_task(), []
    task.progress = replace_remark(remarks)
    with torch.no_grad():
        for unit in task.networks.generator.units:
            unit.valence.gamma[-1].bias.fill_(9.0)
            unit.valence.scale.fill_(9.0)
    metrics = task.validate(nets(task), CPU)
    # All weights at their worst: 1.5 x 1.2, times the largest scale.
    assert metrics["gamma_max"] == pytest.approx(1.8 * 1.5)
    assert metrics["gamma_clipped"] == 1
    assert any("scaled gamma is 2.7" in line for line in remarks)
    assert any("are clipped" in line for line in remarks)
    assert eru_statistics(networks(units=0).generator) == {
        "gamma_max": 0, "gamma_clipped": 0, "gamma_std": 0,
    }  # fmt: skip


def test_a_va_evaluator_replaces_the_ridge_regression(nets):
    torch.manual_seed(1)
    evaluator = {"va_evaluator": VaEvaluator(VaEvaluatorSpec(16, (6, 8)))}
    task = LandscapeTask(
        networks(), SOURCE, losses("hinge"), AdversarialTable(), frozen=evaluator,
        evaluated_by="runs/va",
    )  # fmt: skip
    prepared(task)
    assert task.validate(nets(task), CPU) != adversarial_task("hinge").validate(nets(task), CPU)
    assert task.checkpoint(nets(task)).facts["evaluated_by"] == "runs/va"


def test_samples_show_one_latent_over_the_plane_and_six_latents(nets):
    task = adversarial_task()
    picture = task.sample(nets(task), CPU)
    assert picture.shape == (5 * 16, 3 * 16, 3)
    assert (picture == task.sample(nets(task), CPU)).all()


def test_a_generator_from_its_checkpoint_gives_the_same_images(nets):
    task = adversarial_task()
    kept = task.checkpoint(nets(task))
    again = LandscapeGenerator.from_state(kept.part("generator"))
    latents, va = torch.randn(2, 6), torch.rand(2, 2)
    assert torch.equal(again(latents, va), task.networks.generator.eval()(latents, va))
    assert kept.facts["scale"] == "0..1"


def test_the_autoencoder_learns_and_stores_latent_statistics(nets):
    source = LandscapeSource(DATA.model_copy(update={"flip": False}))
    task = prepared(LandscapeVaeTask(networks(), source, losses("reconstruction", "kl")))
    optimizer = torch.optim.Adam(
        [p for net in task.parts.values() for p in net.parameters()], lr=1e-2
    )
    first = task.validate(nets(task), CPU)
    for step in range(40):
        for net in task.parts.values():
            net.train().requires_grad_(True)
        terms = task.terms("main", task.batch(context(step), 6), context(step))
        optimizer.zero_grad()
        (terms["generator/reconstruction"].value + 0.01 * terms["generator/kl"].value).backward()
        optimizer.step()
    delivered = nets(task)
    assert task.validate(delivered, CPU)["psnr"] > first["psnr"] + 1
    state = task.checkpoint(delivered).part("generator")
    assert (state["code_spread"] > 0).all()
    assert not torch.equal(state["code_mean"], torch.zeros(6))
    assert task.sample(delivered, CPU).shape == (2 * 16, 6 * 16, 3)


def test_the_va_evaluator_learns_and_reports_its_errors(nets):
    torch.manual_seed(2)
    task = prepared(VaEvaluatorTask(VaEvaluator(VaEvaluatorSpec(16, (6, 8))), SOURCE))
    batch = task.batch(context(), 6)
    assert set(run_step(task, "main", batch, context())) == {"valence", "arousal"}
    assert has_gradient(task.parts["va_evaluator"])
    metrics = task.validate(nets(task), CPU)
    assert metrics["mae"] == pytest.approx((metrics["mae_valence"] + metrics["mae_arousal"]) / 2)
    assert "va_evaluator" in task.checkpoint(nets(task)).parts


def test_the_structure_evaluator_learns_mood_and_kind(nets):
    torch.manual_seed(2)
    net = StructureEvaluator(StructureEvaluatorSpec(16, (6, 8), len(SCENES)))
    task = prepared(StructureEvaluatorTask(net, SOURCE))
    batch = task.batch(context(), 6)
    seeds = [render(*scene_va(seed), seed, 16).picture for seed in range(20)]
    for shot, kind in zip(batch["real"], batch["kind"], strict=True):
        away = [np.abs(shot.permute(1, 2, 0).numpy() * 127.5 + 127.5 - picture).mean()
                for one in seeds for picture in (one, one[:, ::-1])]  # fmt: skip
        assert SCENES[int(kind)] == scene(int(np.argmin(away)) // 2).kind
    assert set(run_step(task, "main", batch, context())) == {"valence", "arousal", "kind"}
    assert has_gradient(task.parts["structure_evaluator"])
    metrics = task.validate(nets(task), CPU)
    assert metrics["mae"] == pytest.approx((metrics["mae_valence"] + metrics["mae_arousal"]) / 2)
    assert 0 <= metrics["kinds"] <= 1
    again = StructureEvaluator.from_state(task.checkpoint(nets(task)).part("structure_evaluator"))
    assert again.spec == net.spec


def test_the_kinds_of_photos_are_not_known():
    with pytest.raises(RecipeError, match="leave out `photos`"):
        load_recipe("gan/structure_evaluator", ["photos=here"])
    with pytest.raises(ValueError, match="not known"):
        Landscapes(np.zeros((1, 4, 4, 3), np.uint8), np.zeros((1, 2), np.float32)).kinds_of([0])
