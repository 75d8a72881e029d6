"""When checkpoints are written, which of them stay, and whether there is room for them."""

import shutil
from collections import namedtuple

import pytest
import torch

from engine.app.train import train
from engine.config.load import load_recipe
from engine.core.errors import DiskError
from engine.training.checkpoint import Checkpoints, Snapshot
from engine.training.forecast import disk_of, forecast
from engine.training.launch import build_task

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        (["save_every=500"], [100, 500, 1000]),
        (["save_every=300"], [300, 600, 900]),
        (["save_every=400", "milestones=[50, '1k']"], [50, 400, 800, 1000]),
    ],
)
def test_a_run_that_saves_seldom_saves_early_and_at_its_milestones(settings, steps):
    recipe = load_recipe("nano/age", settings)
    assert [step for step in range(1, 1001) if recipe.saves_at(step)] == steps


def test_milestones_stay_beside_the_last_checkpoints(tmp_path):
    kept = Checkpoints(tmp_path, keep=2)
    for step in range(1, 7):
        kept.save(Snapshot(step, {"net": {"a": torch.zeros(1)}}, {}), (2,))
    assert [path.name for path in kept.steps()] == ["step_2", "step_5", "step_6"]


def test_a_run_that_has_no_room_for_its_checkpoints_does_not_start(tmp_path, monkeypatch):
    recipe = load_recipe("nano/age", ["milestones=[10, 20]"])
    need = disk_of(recipe, build_task(recipe).parts)
    assert need == forecast(recipe).disk
    assert need > forecast(load_recipe("nano/age")).disk
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(need, 1, need - 1))
    with pytest.raises(DiskError, match="GB free") as caught:
        train("nano/age", ["milestones=[10, 20]"], out=tmp_path / "run")
    assert "lower `keep`" in caught.value.hint
    assert not (tmp_path / "run").exists()
