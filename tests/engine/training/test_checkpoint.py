import json
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch
from torch import nn

from engine.core.errors import WeightsError
from engine.core.progress import Silence
from engine.runtime.draws import Draws
from engine.training.averaging import WeightAverage
from engine.training.checkpoint import Checkpoints, Snapshot, current, read_snapshot
from engine.training.optimizers.ranger import Ranger
from engine.training.tree import pack, unpack
from engine.weights.checkpoint import Checkpoint
from engine.weights.find import find_weights
from engine.weights.native import read_native


class Remarks(Silence):
    def __init__(self):
        self.remarks = []

    def remark(self, text):
        self.remarks.append(text)


def snapshot(step, value=1.0):
    return Snapshot(
        step, {"net": {"weight": torch.full((3,), value)}}, {"rate": 0.1}, {"l2": value}
    )


def delivered(value):
    return Checkpoint("native", {"net": {"weight": torch.full((3,), value)}})


def test_any_nested_state_comes_back_as_it_was():
    state = {
        "optimizer": {"state": {0: {"step": 3, "m": torch.arange(4.0)}}, "betas": (0.9, 0.99)},
        "none": None,
        "flags": [True, 1.5, "x", [torch.tensor(7)]],
        "empty": {},
    }
    tensors = {}
    again = unpack(pack(state, "s", tensors), tensors)
    assert again["optimizer"]["state"][0]["step"] == 3
    assert again["optimizer"]["betas"] == (0.9, 0.99)
    assert torch.equal(again["optimizer"]["state"][0]["m"], torch.arange(4.0))
    assert again["flags"][:3] == [True, 1.5, "x"]
    assert again["flags"][3][0].item() == 7
    assert (again["none"], again["empty"]) == (None, {})


def test_what_a_checkpoint_cannot_keep_is_named():
    with pytest.raises(TypeError, match=r"`s\.a\.0` is a set"):
        pack({"a": [set()]}, "s", {})


def test_the_last_few_stay_and_the_best_beside_them(tmp_path):
    kept = Checkpoints(tmp_path, keep=2)
    for step in (5, 10, 20, 100):
        kept.save(snapshot(step, float(step)))
    kept.save_delivered(10, delivered(10.0), {"l2": 10.0}, chosen_by="l2")
    kept.save_delivered(20, delivered(20.0), {"l2": 20.0}, chosen_by="l2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "step_100", "step_20"]
    best = read_native(tmp_path / "best" / "nets.safetensors")
    assert (best.step, best.part("net")["weight"].tolist()) == (20, [20.0] * 3)
    metadata = json.loads((tmp_path / "best" / "state.json").read_text())
    assert metadata == {"step": 20, "metrics": {"l2": 20.0}, "chosen_by": "l2"}
    assert kept.newest(Silence()).step == 100


def test_a_damaged_checkpoint_is_remarked_and_the_one_before_it_is_used(tmp_path):
    kept, progress = Checkpoints(tmp_path, keep=3), Remarks()
    for step in (1, 2, 3):
        kept.save(snapshot(step))
    whole = (tmp_path / "step_3" / "nets.safetensors").read_bytes()
    (tmp_path / "step_3" / "nets.safetensors").write_bytes(whole[:-4])
    (tmp_path / "step_2" / "state.json").write_text("{")
    assert kept.newest(progress).step == 1
    assert len(progress.remarks) == 2
    assert "step_3" in progress.remarks[0]


def test_an_empty_run_has_no_checkpoint(tmp_path):
    assert Checkpoints(tmp_path / "none").newest(Silence()) is None
    with pytest.raises(WeightsError, match="is damaged"):
        read_snapshot(tmp_path / "none")


def test_killed_between_the_two_renames_the_old_best_still_stands(tmp_path):
    Checkpoints(tmp_path / "checkpoints").save_delivered(1, delivered(1.0), {}, chosen_by="l2")
    (tmp_path / "checkpoints" / "best").rename(tmp_path / "checkpoints" / ".best.old")
    assert read_native(find_weights(str(tmp_path))).step == 1


def test_killed_between_the_two_renames_a_checkpoint_still_stands(tmp_path):
    Checkpoints(tmp_path).save(snapshot(1, 1.0))
    (tmp_path / "step_1").rename(tmp_path / ".step_1.old")
    assert read_snapshot(tmp_path / "step_1").step == 1


def pieces():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    return net, Ranger(net.parameters(), 1e-2), WeightAverage(net, 0.9)


def train(net, optimizer, average, steps):
    for step in steps:
        batch = Draws(3, step, range(8)).normal("data", 4)
        optimizer.zero_grad()
        net(batch).square().mean().backward()
        optimizer.step()
        average.update(net)


def state_of(optimizer, average):
    return {"optimizer": optimizer.state_dict(), "average": average.state_dict()}


def test_a_training_taken_from_the_disk_goes_on_bit_for_bit(tmp_path):
    whole = pieces()
    train(*whole, range(17))
    net, *rest = pieces()
    train(net, *rest, range(8))
    Checkpoints(tmp_path).save(Snapshot(8, {"net": net.state_dict()}, state_of(*rest)))
    found = Checkpoints(tmp_path).newest(Silence())
    again, optimizer, average = pieces()
    again.load_state_dict(found.nets["net"])
    optimizer.load_state_dict(found.state["optimizer"])
    average.load_state_dict(found.state["average"])
    train(again, optimizer, average, range(found.step, 17))
    for one, other in zip(whole[0].parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(whole[2].shadow["0.weight"], average.shadow["0.weight"])


def test_killed_at_any_moment_the_newest_checkpoint_is_whole(tmp_path):
    script = tmp_path / "saver.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, torch
            from pathlib import Path
            from engine.training.checkpoint import Checkpoints, Snapshot
            from engine.weights.checkpoint import Checkpoint
            kept = Checkpoints(Path(sys.argv[1]), keep=2)
            for step in range(1, 100_000):
                nets = {"net": {"weight": torch.full((200_000,), float(step))}}
                kept.save(Snapshot(step, nets, {"step": step}))
                kept.save_delivered(step, Checkpoint("native", nets), {}, chosen_by="l2")
                print(step, flush=True)
            """
        )
    )
    for pause in (0.0, 0.013, 0.05):
        folder = tmp_path / f"run{pause}"
        process = subprocess.Popen(
            [sys.executable, str(script), str(folder)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3):
            process.stdout.readline()
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        found = Checkpoints(folder).newest(Silence())
        best = read_native(current(folder / "best") / "nets.safetensors")
        for step, nets in ((found.step, found.nets), (best.step, best.parts)):
            assert step >= 2
            assert bool((nets["net"]["weight"] == step).all())
