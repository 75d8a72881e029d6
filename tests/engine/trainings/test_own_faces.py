"""Age networks on labelled photographs: from a folder, from labels, and from an earlier network."""

import json

import numpy as np
import person
import pytest
import torch

from engine.config.load import load_recipe, load_recipe_as
from engine.core.errors import RecipeError
from engine.core.progress import Silence
from engine.nets.named import load_age_estimator
from engine.nets.nano.age_ordinal import AgeOrdinalSpec, NanoAgeOrdinal
from engine.training.callbacks import SilentCallback
from engine.training.journal import read_journal
from engine.training.launch import build_task, start_run
from engine.trainings.age.loss import MeanVarianceLoss, OrdinalLoss
from engine.trainings.age.recipe import AgeRecipe
from engine.weights.checkpoint import Checkpoint
from engine.weights.native import save_native

SETTINGS = ("steps=20", "batch=8", "rate=3e-3", "validate_every=10", "threads=1")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return person.make(tmp_path_factory.mktemp("person"))


def recipe(world, *settings):
    given = (f"photos='{world}/photos'", f"start='{world}/age.safetensors'", "jitter.share=0")
    return load_recipe_as(AgeRecipe, "nano/age", [*SETTINGS, *given, *settings])


def test_an_age_network_is_fine_tuned_on_a_folder_and_read_by_losses(world, tmp_path):
    run, _ = start_run(
        recipe(world), tmp_path / "run", devices=1, callback=lambda _: SilentCallback()
    )
    rows = [row for row in read_journal(run / "metrics.jsonl") if "val/mae" in row]
    assert rows[-1]["val/mae"] < rows[0]["val/mae"] + 5
    tuned, before = (
        load_age_estimator(str(of), torch.device("cpu")) for of in (run, world / "age.safetensors")
    )
    task = build_task(recipe(world))
    task.prepare(Silence())
    photos, ages = task.train.tensor(range(len(task.train))), torch.from_numpy(task.train.ages)
    errors = [(net.years(photos) - ages).abs().mean().item() for net in (tuned, before)]
    assert errors[0] < errors[1]


def test_labels_decide_where_they_are_given(world, tmp_path):
    files = sorted((world / "impostors").rglob("*.png"))
    labels = {
        str(path): {
            "source": str(path.relative_to(world / "impostors")),
            "age": 77.0,
            "age_std": 1.0,
            "reliability": 1.0,
            "keep": True,
        }
        for path in files
    }
    (tmp_path / "labels.json").write_text(json.dumps({"labels": labels}))
    named = (f"photos='{world}/impostors'", f"labels='{tmp_path}/labels.json'")
    made = recipe(world, *named)
    assert set(made.inputs()) == {"start", "labels"}
    train, held_out = build_task(made).data.func(*build_task(made).data.args, Silence())
    assert len(train) + len(held_out) == len(files)
    assert np.all(train.ages == 77)
    assert train.tensor([0]).shape == train.tensor(torch.tensor([0])).shape == (1, 3, 32, 32)


def test_the_head_of_the_start_decides_the_loss(world, tmp_path):
    assert isinstance(build_task(recipe(world)).loss, MeanVarianceLoss)
    torch.manual_seed(0)
    net = NanoAgeOrdinal(AgeOrdinalSpec(32, 100, (4, 8), 8))
    save_native(tmp_path / "o.safetensors", Checkpoint("native", {"age": net.state_dict()}))
    task = build_task(recipe(world, f"start='{tmp_path}/o.safetensors'"))
    assert isinstance(task.loss, OrdinalLoss)
    assert task.size == 32


def test_what_is_missing_is_named():
    assert load_recipe("mytm/age_dex").missing_data() == ["photos"]
    with pytest.raises(RecipeError) as caught:
        load_recipe("nano/age", ["labels='labels.json'"])
    assert "`labels` are those of `photos`" in str(caught.value)
