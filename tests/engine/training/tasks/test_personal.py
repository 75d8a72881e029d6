"""Personal ageing end to end, on networks of a few thousand numbers and a dozen renders."""

import json
import shutil

import pytest
import torch

from engine.core.progress import Silence
from engine.inference.assemble import time_machine
from engine.nets.nano.age import AgeSpec, NanoAge
from engine.nets.nano.ageing import NanoAgeing, NanoAgeingSpec
from engine.nets.nano.base import BaseSpec
from engine.nets.nano.encoder import NanoEncoder, NanoEncoderSpec
from engine.nets.nano.generator import NanoGenerator, NanoGeneratorSpec
from engine.nets.nano.identity import IdentitySpec, NanoIdentity
from engine.recipe.kinds.personal import PersonalRecipe
from engine.recipe.launch import begin, built_task
from engine.recipe.load import load_recipe_as
from engine.recipe.series import resume_any
from engine.runtime.draws import Draws
from engine.training.checkpoint import read_snapshot
from engine.training.journal import read_journal
from engine.training.task import Moment
from engine.training.watch import Unwatched
from engine.weights.checkpoint import Checkpoint
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint
from engine.weights.native import save_native

BASE = BaseSpec(size=32, luma=20, colour=8, detail=20, window=(12, 10))
RECIPE = """
kind = "personal"
start = "{folder}/prior.safetensors"
photos = "{folder}/photos"
domain = "portraits"
batch = 2
save_every = 3
validate_every = 3
log_every = 1
threads = 1
average = {{ decay = 0.9, parts = ["decoder"] }}
validation = {{ photos = 2, targets = 2, beyond = [70] }}
targets = {{ kind = "curriculum", ages = "5..90", beyond = 0.3 }}

[networks]
recogniser = "{folder}/identity.safetensors"
ages = "{folder}/age.safetensors"

[[phase]]
name = "stage1"
steps = 4
rate = 1e-3
optimiser = "ranger"

[[phase]]
name = "stage2"
steps = 4
rate = 1e-3
trainable = ["adapter", "decoder"]

[[loss]]
kind = "identity"
weight = 1.0

[[loss]]
kind = "ageing"
weight = 1.0

[[loss]]
kind = "pixel"
when = "same"
weight = 1.0

[[loss]]
kind = "adaptive_w_norm"
weight = 0.01

[[loss]]
kind = "nearest_id"
weight = "0:0, 4:0.1"
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A person's photos, and the frozen networks, on the disk."""
    from engine.core.numbers import Span
    from engine.prep.synth import SynthPlan, synthesise

    folder = tmp_path_factory.mktemp("person")
    plan = SynthPlan(folder / "photos", people=1, per_person=12, ages=Span(20, 50), size=32)
    synthesise(plan, workers=1, progress=Silence())
    torch.manual_seed(0)
    nets = {
        "encoder": NanoAgeing(NanoAgeingSpec(BASE, 16, (4, 4, 4), 8)),
        "pretrained_encoder": NanoEncoder(NanoEncoderSpec(BASE, 16, (4, 4, 4), 8)),
        "decoder": NanoGenerator(NanoGeneratorSpec(BASE, 16, 4, 4)),
    }
    for net in nets.values():
        net.base.fit([torch.rand(200, 3, 32, 32) * 2 - 1])
    torch.nn.init.normal_(nets["encoder"].styles.weight, std=0.1)
    parts = {name: net.state_dict() for name, net in nets.items()}
    average = torch.zeros(nets["decoder"].spec.n_latent, 16)
    facts = {"encoder_size": 32, "domain": "portraits", "familiar": 9.0}
    prior = Checkpoint("native", parts, average, facts=facts)
    save_native(folder / "prior.safetensors", prior)
    for name, net in {
        "identity": NanoIdentity(IdentitySpec(32, 8, (4, 8))),
        "age": NanoAge(AgeSpec(32, 101, (4, 8))),
    }.items():
        checkpoint = Checkpoint("native", {name: net.state_dict()})
        save_native(folder / f"{name}.safetensors", checkpoint)
    (folder / "toy.toml").write_text(RECIPE.format(folder=folder))
    return folder


def recipe(world, *settings):
    return load_recipe_as(PersonalRecipe, world / "toy.toml", settings)


def trained(world, folder, *settings):
    return begin(recipe(world, *settings), folder, devices=1, watcher=lambda _: Unwatched())


@pytest.fixture(scope="module")
def run(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    trained(world, folder)
    return folder


def moment(step=0, batch=2):
    return Moment(step, "stage1", step, frozenset(), Draws(0, step, range(batch)))


def test_before_the_first_step_the_model_is_the_prior(world):
    task = built_task(recipe(world))
    task.prepare(Silence())
    photo, ages = task.sides.train.tensor([0, 1]), torch.tensor([30.0, 70.0])
    with torch.no_grad():
        assert torch.equal(task.machine.codes(photo, ages), task.machine.prior(photo, ages))


def test_a_run_learns_what_its_phases_name_and_nothing_frozen_moves(world, run):
    first, last = (read_snapshot(run / "checkpoints" / f"step_{step}").nets for step in (6, 8))
    assert set(last) == {"trained_encoder", "adapter", "decoder"}
    same = {
        part: all(torch.equal(last[part][key], first[part][key]) for key in last[part])
        for part in last
    }
    assert same == {"trained_encoder": True, "adapter": False, "decoder": False}
    prior = read_checkpoint(world / "prior.safetensors")
    moved = [
        key
        for key, tensor in last["trained_encoder"].items()
        if not torch.equal(tensor, prior.part("encoder")[key])
    ]
    assert moved
    assert not [key for key in moved if "base." in key]


def test_frozen_networks_hold_no_gradient_and_stay_in_eval(world):
    task = built_task(recipe(world))
    task.prepare(Silence())
    task.settle(torch.device("cpu"), Silence())
    before = {
        name: {key: tensor.clone() for key, tensor in net.state_dict().items()}
        for name, net in task.frozen.items()
    }
    batch = task.batch(moment(), 2)
    for terms in task.rounds("main", batch, moment()):
        sum(term.value * term.weight for term in terms.values() if term.weight).backward()
    for name, net in task.frozen.items():
        assert not any(module.training for module in net.modules()), name
        assert all(p.grad is None for p in net.parameters()), name
        after = net.state_dict()
        assert all(torch.equal(after[key], tensor) for key, tensor in before[name].items()), name
    assert any(p.grad is not None for p in task.parts["adapter"].parameters())


def test_both_ways_are_reported_and_a_weight_of_zero_is_not_computed(run):
    rows = read_journal(run / "metrics.jsonl")
    assert {"loss/real/identity", "loss/cycle/identity", "loss/real/ageing"} <= set(rows[0])
    assert not [key for row in rows[:4] for key in row if "nearest_id" in key]
    assert [key for row in rows[4:] for key in row if key.startswith("loss/real/nearest_id")]


def test_without_a_cycle_there_is_no_way_back(world, tmp_path):
    trained(world, tmp_path / "run", "cycle=0", "phase.0.steps=1", "phase.1.steps=1")
    rows = read_journal(tmp_path / "run" / "metrics.jsonl")
    assert not [key for row in rows for key in row if "cycle" in key]


def test_validation_measures_ageing_and_picks_the_best_by_it(run):
    rows = [row for row in read_journal(run / "metrics.jsonl") if "val/ageing" in row]
    assert {"val/reconstruction_identity", "val/aged_identity"} <= set(rows[0])
    told = json.loads((run / "checkpoints" / "best" / "state.json").read_text())
    best = max(row["val/ageing"] for row in rows)
    assert told["metrics"]["ageing"] == best


def test_what_is_delivered_stands_on_its_prior_and_is_what_was_validated(world, run):
    checkpoint = read_checkpoint(find_weights(str(run)))
    assert checkpoint.facts["ages"] == [20.0, 50.0]
    model = time_machine(checkpoint)
    assert model.encoder is not None
    assert model.adapter is not None
    task = built_task(recipe(world))
    task.prepare(Silence())
    task.settle(torch.device("cpu"), Silence())
    nets = {"trained_encoder": model.encoder, "adapter": model.adapter, "decoder": model.decoder}
    told = json.loads((run / "checkpoints" / "best" / "state.json").read_text())["metrics"]
    assert task.validate(nets, torch.device("cpu")) == pytest.approx(told, abs=1e-5)


@pytest.mark.parametrize("until", [2, 4, 5])
def test_a_personal_run_in_two_parts_ends_in_the_same_bits(world, run, tmp_path, until):
    folder = tmp_path / "cut"
    shutil.copytree(run, folder)
    shutil.rmtree(folder / "checkpoints")
    # A run without a checkpoint begins anew: go to the step, stop, and go on.
    for stop in (until, None):
        resume_any(folder, until=stop, watcher=lambda _: Unwatched())
    one, other = (read_snapshot(f / "checkpoints" / "step_8").nets for f in (folder, run))
    assert all(torch.equal(one[p][k], other[p][k]) for p in one for k in one[p])
