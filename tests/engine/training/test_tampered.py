"""Run folders that were tampered with, or that a dying disk left: a sentence, or the one before."""

import json

import pytest
import torch

from engine.core.errors import UsageError, WeightsError
from engine.core.progress import Silence
from engine.training.checkpoint import METADATA, NETS, Checkpoints, Snapshot, read_snapshot
from engine.training.journal import METRICS, read_journal
from engine.training.run_folder import ENVIRONMENT, Environment, RunFolder
from engine.training.tree import pack, unpack

JUNK = [b"", b"null", b"[]", b"5", b'"x"', b"{}", b"{", b"\xff\xfe", b"[" * 100_000, b"9" * 5000,
        b'{"step": NaN}', bytes(1000)]  # fmt: skip
STATE = {"least": float("inf"), "rates": {0: 1.5, 1: float("nan")}, "seen": (1, "x")}


def saved(folder):
    checkpoints = Checkpoints(folder, keep=3)
    for step in (3, 6):
        nets = {"net": {"w": torch.full((2, 2), float(step))}}
        checkpoints.save(Snapshot(step, nets, STATE, {"val/x": 1.0}))
    return checkpoints


def test_a_state_keeps_numbers_that_json_does_not_know(tmp_path):
    state = saved(tmp_path).newest(Silence()).state
    assert (state["least"], state["seen"]) == (float("inf"), (1, "x"))
    assert state["rates"][1] != state["rates"][1]
    json.loads((tmp_path / "step_6" / METADATA).read_text(), parse_constant=pytest.fail)
    assert unpack(pack(STATE, "s", {}), {})["least"] == float("inf")


def test_a_run_that_diverges_keeps_its_last_finite_checkpoint(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step, value in ((1, 1.0), (2, 2.0), (3, float("nan")), (4, float("inf"))):
        nets = {"net": {"w": torch.full((2, 2), value)}}
        checkpoints.save(Snapshot(step, nets))
    assert [path.name for path in checkpoints.steps()] == ["step_1", "step_2", "step_3", "step_4"]
    assert checkpoints.newest(Silence()).step == 2
    checkpoints.save(Snapshot(5, {"net": {"w": torch.ones(2, 2)}}))
    checkpoints.save(Snapshot(6, {"net": {"w": torch.ones(2, 2)}}))
    assert [path.name for path in checkpoints.steps()] == ["step_5", "step_6"]


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("name", [METADATA, NETS])
def test_a_bad_newest_checkpoint_falls_back_to_the_one_before(tmp_path, name, junk):
    checkpoints = saved(tmp_path)
    (tmp_path / "step_6" / name).write_bytes(junk)
    with pytest.raises(WeightsError, match="damaged"):
        read_snapshot(tmp_path / "step_6")
    assert checkpoints.newest(Silence()).step == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [("step", value) for value in ("x", -5, 10**30, None, 1.5, 3, True, [])]
    + [("nets", value) for value in (5, [], None, ["a/b"], "net", [[]])]
    + [("state", value) for value in (None, [], 5, {}, {"$tensor": "none"}, {"$pairs": [[[], 1]]},
                                      {"$pairs": [5]}, {"$tuple": 5}, {"$what": 1}, {"$float": []})]
    + [("metrics", value) for value in (None, 5, [], {"a": "x"}, {"a": []})],
)  # fmt: skip
def test_parts_of_another_type_are_damage(tmp_path, key, value):
    checkpoints = saved(tmp_path)
    file = tmp_path / "step_6" / METADATA
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    assert checkpoints.newest(Silence()).step == 3


@pytest.mark.parametrize("name", ["step_x", "step_٣", "step_99999999999999999999", "step_"])
def test_strange_names_among_the_checkpoints_are_none(tmp_path, name):
    checkpoints = saved(tmp_path)
    (tmp_path / name).mkdir()
    (tmp_path / "step_9").touch()
    assert [path.name for path in checkpoints.steps()] == ["step_3", "step_6"]


@pytest.mark.parametrize("junk", JUNK)
def test_an_environment_that_is_none_is_a_sentence(tmp_path, junk):
    (tmp_path / ENVIRONMENT).write_bytes(junk)
    with pytest.raises(UsageError, match="is damaged"):
        RunFolder(tmp_path).environment()


@pytest.mark.parametrize(
    ("key", "value"),
    [("devices", "x"), ("devices", []), ("packages", None), ("weights", 5), ("threads", None)],
)
def test_an_environment_of_other_types_is_a_sentence(tmp_path, key, value):
    good = Environment.now(
        device="cpu", devices=1, precision="auto", threads=1, weights={}, recipe={}, worlds={}
    )
    content = {name: getattr(good, name) for name in Environment.__dataclass_fields__}
    (tmp_path / ENVIRONMENT).write_text(json.dumps(content))
    assert RunFolder(tmp_path).environment() == good
    (tmp_path / ENVIRONMENT).write_text(json.dumps({**content, key: value}))
    with pytest.raises(UsageError, match=key):
        RunFolder(tmp_path).environment()


def test_metrics_with_broken_bytes_keep_the_rows_around_them(tmp_path):
    rows = [b'{"step": 1, "loss/a": 2.0}', b"\xff\xfe\x00", b"[1]", b"{", b'{"step": "x"}',
            b'{"step": 2, "loss/a": NaN}', b'{"step": 3']  # fmt: skip
    (tmp_path / METRICS).write_bytes(b"\n".join(rows))
    assert [row["step"] for row in read_journal(tmp_path / METRICS)] == [1, 2]
