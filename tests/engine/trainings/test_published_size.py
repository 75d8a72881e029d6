"""The recipes for the published networks, run at their full size on random weights."""

import json
from pathlib import Path

import personal_cost as cost
import pytest
import torch

from engine.training.checkpoint import read_snapshot
from engine.training.journal import read_journal
from engine.weights.load import read_checkpoint

ROOT = Path(__file__).parents[3]

# LPIPS' backbone is not drawn at random: its losses are left out. The heads of the encoder are not
# trained: Ranger's state of them is 3 GiB.
TRAINABLE = ["trained_encoder.body", "adapter", "decoder"]
STEPS = [
    *("--set", f"phase.0.trainable={TRAINABLE}"),
    *("--set", "networks.perceptual='none'", "--set", "batch=1", "--set", "phase.0.steps=3"),
    *("--set", "validate_every=3", "--set", "sample_every=1000", "--set", "save_every=3"),
    *("--set", "validation.photos=1", "--set", "validation.targets=1", "--set", "log_every=1"),
    *("--set", "threads=1", "--device", "cpu"),
]


@pytest.mark.slow
def test_stage_1_runs_at_1024_px_and_stage_2_and_one_shot_start_from_it(tm, tmp_path, monkeypatch):
    monkeypatch.setenv("TM_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.chdir(tmp_path)
    cost.write_published(tmp_path / "weights")
    cost.write_person(tmp_path / "photos")
    cost.write_bank(tmp_path / "bank.safetensors")
    person = ("--photos", "photos", "--bank", "bank.safetensors")
    result = tm("train", "--recipe", "mytm/stage1", "--out", "runs/stage1", *person, *STEPS)
    assert result.code == 0, result.err
    words = " ".join(result.err.split())
    assert "the loss `perceptual` is left out: the recipe has no `perceptual` network" in words
    assert "the loss `perceptual_face` is left out" in words
    rows = read_journal(tmp_path / "runs" / "stage1" / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 3]
    for row in rows:
        assert row["skipped"] == 0
        assert row["loss/total_main"] is not None
        assert {"loss/real/identity", "loss/cycle/identity", "loss/real/roi_id"} <= set(row)
    nets = read_snapshot(tmp_path / "runs" / "stage1" / "checkpoints" / "step_3").nets
    assert set(nets) == {"trained_encoder", "adapter", "decoder"}
    assert nets["decoder"]["to_rgbs.7.conv.weight"].shape == (1, 3, 32, 1, 1)
    assert all(bool(torch.isfinite(t).all()) for net in nets.values() for t in net.values())
    before = read_checkpoint(tmp_path / "weights" / "sam_ffhq_aging.pt")
    for part, key in (("encoder", "body.0.res_layer.1.weight"), ("decoder", "conv1.conv.weight")):
        name = "trained_encoder" if part == "encoder" else part
        assert not torch.equal(nets[name][key], before.part(part)[key]), part
    del nets, before
    more = ("--dry-run", "--json", "--set", "networks.perceptual='none'")
    result = tm("train", "--recipe", "mytm/stage2", "--from", "runs/stage1", *person, *more)
    (phase,) = result.json["phases"]
    assert (phase["name"], phase["trainable"]) == ("stage2", ["adapter", "decoder"])
    assert phase["parameters"] > 40_000_000
    result = tm("oneshot", "--age", 40, "--from", "runs/stage1", *more)
    assert result.code == 0, result.err
    assert json.loads(result.out)["recipe"]["targets"]["age"] == "40±2"
