"""Personal ageing end to end, on networks of a few thousand parameters and a dozen renders."""

import json
import shutil

import person
import pytest
import torch

from engine.app.weights import export_weights
from engine.config.load import load_recipe_as
from engine.core.errors import RecipeError
from engine.core.progress import Silence
from engine.nets.assemble import time_machine
from engine.runtime.draws import Draws
from engine.training.callbacks import SilentCallback
from engine.training.checkpoint import read_snapshot
from engine.training.journal import read_journal
from engine.training.launch import build_task, start_run
from engine.training.task import StepContext
from engine.trainings.personal.recipe import PersonalRecipe
from engine.trainings.series.runs import resume_any
from engine.weights.find import find_weights, unchosen
from engine.weights.load import read_checkpoint


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A person's photos, and the frozen networks, on the disk."""
    return person.make(tmp_path_factory.mktemp("person"))


def recipe(world, *settings):
    return load_recipe_as(PersonalRecipe, world / "toy.toml", settings)


def trained(world, folder, *settings):
    return start_run(
        recipe(world, *settings), folder, devices=1, callback=lambda _: SilentCallback()
    )


@pytest.fixture(scope="module")
def run(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    trained(world, folder)
    return folder


def context(step=0, batch=2):
    return StepContext(step, "stage1", step, Draws(0, step, range(batch)))


def test_before_the_first_step_the_model_is_the_prior(world):
    task = build_task(recipe(world))
    task.prepare(Silence())
    photo, ages = task.split.train.tensor([0, 1]), torch.tensor([30.0, 70.0])
    with torch.no_grad():
        assert torch.equal(task.machine.codes(photo, ages), task.machine.prior(photo, ages))


def test_a_run_trains_the_parts_of_its_phases_and_nothing_frozen(world, run):
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
    task = build_task(recipe(world))
    task.prepare(Silence())
    task.precompute(torch.device("cpu"), Silence())
    before = {
        name: {key: tensor.clone() for key, tensor in net.state_dict().items()}
        for name, net in task.frozen.items()
    }
    batch = task.batch(context(), 2)
    for terms in task.backward_passes("main", batch, context()):
        sum(term.value * term.weight for term in terms.values() if term.weight).backward()
    for name, net in task.frozen.items():
        assert not any(module.training for module in net.modules()), name
        assert all(p.grad is None for p in net.parameters()), name
        after = net.state_dict()
        assert all(torch.equal(after[key], tensor) for key, tensor in before[name].items()), name
    assert any(p.grad is not None for p in task.parts["adapter"].parameters())


def test_both_passes_are_logged_and_a_weight_of_zero_is_not_computed(run):
    rows = read_journal(run / "metrics.jsonl")
    assert {"loss/real/identity", "loss/cycle/identity", "loss/real/ageing"} <= set(rows[0])
    assert not [key for row in rows[:4] for key in row if "nearest_id" in key]
    assert [key for row in rows[4:] for key in row if key.startswith("loss/real/nearest_id")]


def test_with_a_weight_of_zero_the_cycle_is_not_computed(world, tmp_path):
    trained(world, tmp_path / "run", "cycle=0", "phase.0.steps=1", "phase.1.steps=1")
    rows = read_journal(tmp_path / "run" / "metrics.jsonl")
    assert not [key for row in rows for key in row if "cycle" in key]


def test_validation_measures_ageing_and_picks_the_best_by_it(run):
    rows = [row for row in read_journal(run / "metrics.jsonl") if "val/ageing" in row]
    assert {"val/reconstruction_identity", "val/aged_identity"} <= set(rows[0])
    parts = rows[0]["val/loss_identity"] + rows[0]["val/reconstruction_l2"]
    assert rows[0]["val/loss"] == pytest.approx(parts)  # these networks have no distance
    saved = json.loads((run / "checkpoints" / "best" / "state.json").read_text())
    best = max(row["val/ageing"] for row in rows)
    assert saved["metrics"]["ageing"] == best


def test_without_an_evaluator_no_checkpoint_is_the_best(world, tmp_path):
    remarks = []
    reporter = type("Remarks", (SilentCallback,), {"remark": lambda _, text: remarks.append(text)})
    toy = (world / "toy.toml").read_text().splitlines(keepends=True)
    blind = "".join(line for line in toy if not line.startswith("age_evaluator"))
    (tmp_path / "blind.toml").write_text(blind)
    some = ["phase.0.steps=3", "phase.1.steps=3"]
    settings = load_recipe_as(PersonalRecipe, tmp_path / "blind.toml", some)
    folder = tmp_path / "run"
    start_run(settings, folder, devices=1, callback=lambda _: reporter())
    assert any("no checkpoint is chosen as the best" in text for text in remarks)
    assert not (folder / "checkpoints" / "best").exists()
    delivered = find_weights(str(folder))
    assert read_checkpoint(delivered).step == 6
    assert "no evaluator chose" in unchosen(delivered)
    card = export_weights(folder, tmp_path / "out.safetensors").card
    assert (card["step"], card["chosen_by"]) == (6, None)
    assert unchosen(tmp_path / "out.safetensors") is None
    exported = read_checkpoint(tmp_path / "out.safetensors")
    assert str(world) not in f"{exported.facts}{exported.card}", "it holds no path"
    assert time_machine(exported).adapter is not None


def test_a_validation_may_age_nothing(world, run):
    settings = ["validation.targets=0", "validation.beyond=[]"]
    settings += ["phase.0.steps=1", "phase.1.steps=1"]
    folder = run.parent / "unaged"
    recipe = load_recipe_as(PersonalRecipe, world / "toy.toml", settings)
    start_run(recipe, folder, devices=1, callback=lambda _: SilentCallback())
    (row,) = [r for r in read_journal(folder / "metrics.jsonl") if "val/loss" in r]
    assert "val/ageing" not in row
    assert not (folder / "checkpoints" / "best").exists()
    assert find_weights(str(folder)).parent.name == "latest"


@pytest.mark.parametrize("name", ["age.safetensors", "copy.safetensors"])
def test_the_evaluator_is_no_network_of_the_losses(world, name):
    if name.startswith("copy"):
        shutil.copy(world / "age.safetensors", world / name)
    with pytest.raises(RecipeError, match="`networks.age_evaluator`"):
        build_task(recipe(world, f"networks.age_evaluator='{world}/{name}'"))


class Biased:
    """An estimator whose ages are ten years too high."""

    def __init__(self, estimator):
        self.estimator = estimator

    def years(self, pictures):
        return self.estimator.years(pictures) + 10


def test_a_bias_of_the_age_evaluator_does_not_change_the_best(world):
    task = build_task(recipe(world))
    task.prepare(Silence())
    task.precompute(torch.device("cpu"), Silence())
    true = task.validate(task.parts, torch.device("cpu"))
    task.evaluator = Biased(task.evaluator)
    biased = task.validate(task.parts, torch.device("cpu"))
    assert biased["age_error"] != pytest.approx(true["age_error"], abs=0.5)
    assert biased["age_gap"] == pytest.approx(true["age_gap"], abs=1e-3)
    assert biased["ageing"] == pytest.approx(true["ageing"], abs=1e-5)


def test_the_delivered_model_has_the_metrics_that_were_validated(world, run):
    checkpoint = read_checkpoint(find_weights(str(run)))
    assert checkpoint.facts["ages"] == [20.0, 50.0]
    model = time_machine(checkpoint)
    assert model.encoder is not None
    assert model.adapter is not None
    task = build_task(recipe(world))
    task.prepare(Silence())
    task.precompute(torch.device("cpu"), Silence())
    nets = {"trained_encoder": model.encoder, "adapter": model.adapter, "decoder": model.decoder}
    saved = json.loads((run / "checkpoints" / "best" / "state.json").read_text())["metrics"]
    assert task.validate(nets, torch.device("cpu")) == pytest.approx(saved, abs=1e-5)


@pytest.mark.parametrize("until", [2, 4, 5])
def test_a_personal_run_in_two_parts_ends_in_the_same_bits(world, run, tmp_path, until):
    folder = tmp_path / "cut"
    shutil.copytree(run, folder)
    shutil.rmtree(folder / "checkpoints")
    # A run without a checkpoint starts anew: train to the step, stop, and resume.
    for stop in (until, None):
        resume_any(folder, until=stop, callback=lambda _: SilentCallback())
    one, other = (read_snapshot(f / "checkpoints" / "step_8").nets for f in (folder, run))
    assert all(torch.equal(one[p][k], other[p][k]) for p in one for k in one[p])
