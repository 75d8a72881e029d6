"""The global prior without truth: on photographs and on drawn people, tiny."""

import person
import pytest
import torch

from engine.config.load import load_recipe_as
from engine.core.errors import RecipeError
from engine.core.progress import Silence
from engine.nets.assemble import time_machine
from engine.nets.encoders.gradual import EncoderSpec, GradualStyleEncoder
from engine.runtime.device import choose
from engine.runtime.draws import Draws
from engine.scoring.held_out import age_held_out
from engine.training.callbacks import SilentCallback
from engine.training.journal import read_journal
from engine.training.launch import build_task, start_run
from engine.training.task import StepContext
from engine.trainings.prior.machine import widened
from engine.trainings.prior.recipe import PriorRecipe
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

RECIPE = """
kind = "prior"
batch = 4
steps = 4
rate = 1e-3
log_every = 1
validate_every = 2
threads = 1

[networks]
generator = "{0}/generator.safetensors"
identity = "{0}/identity.safetensors"
age = "{0}/age.safetensors"
age_evaluator = "{0}/age_evaluator.safetensors"

[net]
widths = [4, 4, 4]
summary = 8
discriminator = [4, 4]

[unpaired]
photos = 2
ages = [20, 60]
"""
DRAWN = """
[data.train]
first = 100_000
people = 4
scenes = 1
ages = 1
size = 32

[data.validation]
first = 420_000
people = 2
scenes = 1
ages = 1
size = 32
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = person.make(tmp_path_factory.mktemp("person"))
    checkpoint = read_checkpoint(folder / "prior.safetensors")
    parts = {
        "encoder": checkpoint.part("pretrained_encoder"),
        "decoder": checkpoint.part("decoder"),
    }
    person.save_native(folder / "generator.safetensors", person.Checkpoint("native", parts))
    (folder / "photos.toml").write_text(RECIPE.format(folder))
    (folder / "drawn.toml").write_text(RECIPE.format(folder) + DRAWN)
    return folder


def recipe(world, name, *settings):
    return load_recipe_as(PriorRecipe, world / f"{name}.toml", settings)


def on_photos(world, *settings):
    given = (f"photos='{world}/photos'", f"start='{world}/prior.safetensors'")
    return recipe(world, "photos", *given, *settings)


def context(step=0):
    return StepContext(step, "main", step, Draws(0, step, range(4)))


def prepared(recipe):
    task = build_task(recipe)
    task.prepare(Silence())
    task.precompute(torch.device("cpu"), Silence())
    return task


def test_a_prior_goes_on_from_another_on_photographs_and_is_a_whole_model(world, tmp_path):
    remarks = []
    callback = SilentCallback()
    callback.remark = remarks.append
    run, _ = start_run(on_photos(world), tmp_path / "run", devices=1, callback=lambda _: callback)
    assert any("perceptual` is left out" in remark for remark in remarks)
    before = read_checkpoint(world / "prior.safetensors")
    after = read_checkpoint(find_weights(str(run)))
    assert after.facts["domain"] == "portraits"
    for part in ("pretrained_encoder", "decoder"):
        assert all(torch.equal(before.part(part)[k], v) for k, v in after.part(part).items())
    changed = [
        k for k, v in after.part("encoder").items() if not torch.equal(v, before.part("encoder")[k])
    ]
    assert changed
    machine = time_machine(after)
    assert machine(torch.zeros(1, 3, 32, 32), torch.tensor([60.0])).image.shape == (1, 3, 32, 32)
    rows = read_journal(run / "metrics.jsonl")
    assert {"loss/real/ageing", "loss/cycle/identity", "loss/adversarial"} <= rows[-1].keys()
    assert rows[-1]["val/age_error_unchanged"] > 0
    assert (run / "personal.json").exists() or (run / ".gitignore").exists()

    held_out = age_held_out(run, choose("cpu"), Silence())
    assert held_out.truth is None
    rows = (held_out.results / "results.jsonl").read_text().splitlines()
    assert len(rows) == 10 * len(list((held_out.results.parent / "photos").rglob("*.png"))) > 0


def test_a_new_prior_on_drawn_people_changes_nothing_at_first_and_learns(world):
    task = prepared(recipe(world, "drawn", "unpaired.adversarial.adversarial=0"))
    assert list(task.parts) == list(task.optimizer_steps) == ["ageing"]
    photo = task.split.train.tensor([0, 1])
    with torch.no_grad():
        same = task.machine.codes(photo, torch.tensor([10.0, 80.0]))
    assert torch.equal(same, task.machine.invert(photo))
    optimizer = torch.optim.Adam(task.parts["ageing"].parameters(), lr=3e-3)
    batch, losses = task.batch(context(), 4), []
    for _ in range(8):
        optimizer.zero_grad()
        terms = task.terms("ageing", batch, context())
        loss = torch.stack([term.value * term.weight for term in terms.values()]).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_the_discriminator_compares_pictures_and_outputs_at_their_own_ages(world):
    task = prepared(on_photos(world))
    batch, seen = task.batch(context(), 4), []
    task.adversary.discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    assert "discriminator" in task.terms("discriminator", batch, context())
    planes = [picture[:, 3, 0, 0] * 100 for picture in seen[:2]]
    assert torch.allclose(planes[0], batch["age"])
    assert torch.allclose(planes[1], batch["target"], atol=1e-4)
    assert not torch.equal(batch["age"], batch["target"])


def test_without_truth_there_are_no_outlines_pairs_or_missing_pictures(world):
    for name, settings, fault in (
        ("drawn", ["unpaired.adversarial.matching=1"], "less than or equal to 0"),
        ("drawn", ["unpaired.ages=[]"], "at least one age"),
        ("drawn", ["net.conditional=true"], "`net.conditional` needs pairs"),
    ):
        with pytest.raises(RecipeError) as caught:
            recipe(world, name, *settings)
        assert fault in str(caught.value)
    assert recipe(world, "photos").missing_data() == ["photos"]
    with pytest.raises(RecipeError, match="`photos` is required"):
        build_task(recipe(world, "photos"))
    with pytest.raises(RecipeError, match="needs the truth"):
        load_recipe_as(PriorRecipe, "nano/prior", ["unpaired={}"])
    with pytest.raises(RecipeError, match="begins from another one"):
        load_recipe_as(PriorRecipe, "nano/prior", [f"start='{world}/prior.safetensors'"])
    with pytest.raises(RecipeError, match="must be 32 px"):
        build_task(recipe(world, "drawn", "data.train.size=64"))


def test_a_widened_encoder_takes_the_age_and_offsets_nothing_yet():
    torch.manual_seed(0)
    small = EncoderSpec(
        planes=3, n_styles=4, size=64, style_width=8, widths=(4, 8, 12, 16), depths=(1, 1, 1, 1)
    )
    net = widened(GradualStyleEncoder(small).eval())
    assert net.spec.planes == 4
    assert torch.equal(net(torch.rand(1, 4, 64, 64)), torch.zeros(1, 4, 8))
