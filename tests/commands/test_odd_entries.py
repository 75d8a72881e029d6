"""Folders with links to themselves, pipes, devices and names that are not UTF-8: every verb goes on
and says of each entry why it was not used."""

import json
import os
import shutil
import socket

import pytest

from commands._console import out as console

ODD = ("ring.jpg", "nowhere.jpg", "pipe.jpg", "zero.jpg", "socket.jpg", "empty.jpg")
LATIN = b"30_\xe9\xff.png"


@pytest.fixture(scope="module")
def face(tmp_path_factory):
    from engine.app.prep import SynthRequest, synth

    folder = tmp_path_factory.mktemp("world")
    synth(SynthRequest(out=folder, people=1, per_person=1, ages="40..40", size=128, workers=1))
    return folder / "000000" / "40_0.png"


@pytest.fixture
def photos(tmp_path, face, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(face, folder / "40_a.png")
    shutil.copy(face, os.fsencode(folder) + b"/" + LATIN)
    (folder / "ring.jpg").symlink_to("ring.jpg")
    (folder / "nowhere.jpg").symlink_to("nothing")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (folder / "empty.jpg").touch()
    (folder / "folder.jpg").mkdir()
    (folder / "ring").symlink_to("ring")
    os.mkfifo(folder / "pipe.jpg")
    monkeypatch.chdir(folder)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
    monkeypatch.chdir(tmp_path)
    return folder


def rows_of(path, key="source"):
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return {row[key].rpartition("/")[2]: row for row in rows if row.get(key)}


VERBS = {
    "align": ("prep", "align", "{in}", "{out}", "--size", "64", "--workers", "1"),
    "enhance": ("enhance", "{in}", "{out}", "--steps", "esrgan", "--no-guard", "--workers", "1"),
    "infer": ("infer", "{in}", "--aligned", "--force", "--ages", "30", "--out", "{out}",
              "--weights", "nano", "--set", "evaluate=false"),
    "relabel": ("relabel", "{in}", "--out", "{out}/l.json", "--aligned", "--workers", "1",
                "--experts", "nano-ordinal"),
    "bank": ("bank", "build", "{in}", "{out}/b.safetensors", "--age-by", "nano-age", "-v"),
    "filter": ("prep", "filter", "{in}", "--out", "{out}", "--workers", "1"),
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_a_batch_outlives_odd_entries(tm, photos, tmp_path, verb):
    out = tmp_path / "out"
    result = tm(*(part.format_map({"in": photos, "out": out}) for part in VERBS[verb]))
    assert result.code in ((0, 3) if verb == "align" else (0,)), result.err
    if verb == "relabel":
        rows = {key + ".jpg": row for key, row in
                json.loads((out / "l.json").read_text())["labels"].items()}  # fmt: skip
        reasons = {name: rows[name]["why_null"] for name in ODD}
    elif verb == "bank":
        reasons = {name: name if name in result.err else None for name in ODD}
    else:
        ledger = out / ("results.jsonl" if verb == "infer" else "manifest.jsonl")
        key = "source"
        if verb == "filter":
            ledger, key = photos / "manifest.jsonl", "output"
        rows = rows_of(ledger, key)
        assert {row["status"] for name, row in rows.items() if name in ODD} == {"failed"}
        assert len(rows) == len(ODD) + 2
        reasons = {name: rows[name]["reason"] for name in ODD}
        latin = next(row for name, row in rows.items() if "\\xe9" in name)
        assert "not UTF-8" in latin["reason"]
    assert all(reasons.values())
    console.file.flush()


def test_splits_and_training_folders_outlive_them_too(tm, photos):
    assert tm("prep", "filter", photos, "--workers", "1").code == 0
    assert tm("prep", "split", photos).code in (0, 3)


UNREAD = ("a.dng", "b.CR2", "c.jxl", "d.mov", "e.psd")


@pytest.mark.parametrize("verb", ["align", "enhance", "relabel", "filter"])
def test_photographs_of_other_formats_are_counted_with_the_reason(tm, face, tmp_path, verb):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    shutil.copy(face, folder / "40_1.png")
    for name in UNREAD:
        shutil.copy(face, folder / name)  # a raw file has a small picture inside
    (folder / "notes.txt").touch()
    result = tm(*(part.format_map({"in": folder, "out": out}) for part in VERBS[verb]))
    if verb == "relabel":
        labels = json.loads((out / "l.json").read_text())["labels"]
        reasons = {name: label.get("why_null") for name, label in labels.items()}
        assert len(reasons) == len(UNREAD) + 1
    else:
        ledger, key = (out / "manifest.jsonl", "source")
        if verb == "filter":
            ledger, key = folder / "manifest.jsonl", "output"
        reasons = {name: row["reason"] for name, row in rows_of(ledger, key).items()}
        assert {name for name, why in reasons.items() if why and "export" in why} >= {*UNREAD[:3]}
        assert "film" in reasons["d.mov"]
    assert "raw photo" in result.err.replace("\n", " ")


def test_a_folder_that_may_not_be_read_has_a_row(tm, face, tmp_path, monkeypatch):
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "locked").mkdir(parents=True)
    shutil.copy(face, folder / "40_1.png")
    scan = os.scandir

    def refuse(place):
        if str(place).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    argv = (part.format_map({"in": folder, "out": out}) for part in VERBS["enhance"])
    assert tm(*argv).code == 0
    rows = rows_of(out / "manifest.jsonl")
    assert {name: row["status"] for name, row in rows.items()} == {
        "40_1.png": "done",
        "locked": "failed",
    }
