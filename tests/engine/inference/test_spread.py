"""A folder of photographs over processes: the same pictures and rows as in one."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from engine.app.infer import InferRequest, infer
from engine.inference import spread
from engine.inference.spread import Once, processes_for

PHOTOS = 3


class Notes:
    """A `Progress` that keeps what it is told."""

    def __init__(self):
        self.remarks, self.names = [], []

    def begin(self, task, total): ...

    def advance(self, note=""):
        self.names.append(note)

    def end(self): ...

    def remark(self, text):
        self.remarks.append(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs, a drawing without a face among them."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(PHOTOS):
        Image.fromarray(astronaut()[:, number * 8 :]).save(folder / f"eve_{number}.png")
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(folder / "wall.png")
    return folder


def aged(folder, out, workers):
    notes = Notes()
    request = InferRequest(source=folder, out=out, ages=(20.0,), workers=workers)
    result = infer(request, notes)
    lines = (out / "results.jsonl").read_text().splitlines()
    rows = {row["source"]: row for row in map(json.loads, lines)}
    for row in rows.values():
        row.pop("seconds", None)
    return result, rows, notes


def test_processes_make_what_one_makes(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TM_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setattr(spread, "WORTH_PROCESS", 2)
    _, alone, before = aged(folder, tmp_path / "one", 1)
    result, rows, notes = aged(folder, tmp_path / "two", 2)
    assert result.report.counts == {"done": PHOTOS, "skipped": 1, "failed": 0}
    assert rows.keys() == alone.keys()
    assert sorted(notes.names) == sorted(rows)
    for name, row in rows.items():
        assert (row["status"], row["reason"]) == (alone[name]["status"], alone[name]["reason"])
        if row["output"] is not None:
            assert row["identity"] == pytest.approx(alone[name]["identity"], abs=1e-3)
            one, two = (
                np.asarray(Image.open(tmp_path / way / row["output"])).astype(int)
                for way in ("one", "two")
            )
            assert np.abs(one - two).max() <= 1
    # What the processes say arrives here, and once.
    assert notes.remarks == before.remarks
    assert len(notes.remarks) == len(set(notes.remarks)) > 0
    assert len(result.models) == 1
    again, _, _ = aged(folder, tmp_path / "two", 2)
    assert again.report.kept == PHOTOS


@pytest.mark.parametrize(
    ("photos", "small", "device", "processes"),
    [(23, True, "cpu", 1), (24, True, "cpu", 2), (500, True, "cpu", 4), (500, False, "cpu", 1),
     (500, True, "cuda", 1), (0, True, "cpu", 1)],
)  # fmt: skip
def test_processes_are_started_where_they_are_worth_it(photos, small, device, processes):
    compute = SimpleNamespace(device=SimpleNamespace(type=device))
    models = SimpleNamespace(small=small, compute=compute)
    assert processes_for(photos, 4, models) == processes


def test_a_remark_is_passed_on_once():
    notes = Notes()
    once = Once(notes)
    for text in ("one", "two", "one"):
        once.remark(text)
    once.advance("photo")
    assert (notes.remarks, notes.names) == (["one", "two"], ["photo"])
