"""Folders of faces with labels: which are used, their weights, and their split."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from engine.core.errors import InputError, UsageError
from engine.core.progress import Silence
from engine.trainings.agetransformer.labelled import FolderFaces, labelled_files


class Remarks(Silence):
    def __init__(self):
        self.remarks = []

    def remark(self, words):
        self.remarks.append(words)


def label(source, age, std=2.0, reliability=0.8, keep=True):
    return {
        "source": source,
        "age": age,
        "age_std": std,
        "reliability": reliability,
        "keep": keep,
    }


@pytest.fixture
def folder(tmp_path):
    """Eighty grey squares, brighter with age, two photos of everybody."""
    home = tmp_path / "faces"
    home.mkdir()
    rows = []
    for number in range(80):
        name = f"{number}.png"
        Image.new("RGB", (24, 24), (2 * number,) * 3).save(home / name)
        rows.append({"output": name, "age": float(number), "person": f"p{number // 2}"})
    (home / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return home


def relabelled(folder, labels):
    path = folder.parent / "labels.json"
    path.write_text(json.dumps({"schema": 1, "labels": labels}))
    return path


def test_nobody_is_in_both_splits(folder):
    splits = {s: FolderFaces(folder, s, 16).load(Silence()) for s in ("train", "test")}
    people = {split: {int(age) // 2 for age in faces.ages} for split, faces in splits.items()}
    assert all(people.values())
    assert not people["train"] & people["test"]
    assert sum(map(len, splits.values())) == 80


def test_pictures_are_those_of_their_labels_at_the_size_asked_for(folder):
    faces = FolderFaces(folder, "train", 16).load(Silence())
    rows = torch.tensor([3, 0])
    pictures = faces.pictures(rows)
    assert pictures.shape == (2, 3, 16, 16)
    wanted = torch.from_numpy(faces.ages)[rows] * 2 / 127.5 - 1
    torch.testing.assert_close(pictures.mean(dim=(1, 2, 3)), wanted, atol=0.01, rtol=0)
    assert not faces.spread.any()
    assert faces.reliability.all()


def test_labels_go_before_ages_and_tell_how_sure_they_are(folder):
    rows = {"a": label("faces/3.png", 33.0, 4.0, 0.5), "b": label("4.png", 44.0, keep=False)}
    rows |= {f"c{n}": label(f"{n}.png", 50.0) for n in range(20, 60)}
    labels = relabelled(folder, rows)
    names = {one.path.name: one for one in labelled_files(folder, labels)}
    assert names["3.png"][1:4] == (33.0, 4.0, 0.5)
    assert "4.png" not in names
    assert names["3.png"].person == "p1"
    weighted, plain = (
        FolderFaces(folder, "train", 16, labels, weighted).load(Silence())
        for weighted in (True, False)
    )
    assert np.allclose(np.unique(weighted.reliability[weighted.ages == 50]), 0.8)
    assert set(plain.reliability) == {1.0}
    assert set(plain.spread) == {0.0}


def test_a_label_nothing_spoke_against_is_taken_as_right_where_it_is_trusted(folder):
    rows = {
        "a": {**label("3.png", 33.0), "label": 36.0},
        "b": {**label("4.png", 44.0, keep=False), "label": 70.0},
        "c": {**label("5.png", 55.0), "label": None},
        "d": label("6.png", 66.0),
    }
    labels = relabelled(folder, rows)
    kept = {one.path.name: one[1:4] for one in labelled_files(folder, labels, audited=True)}
    assert kept == {"3.png": (36, 0, 1), "5.png": (55, 2, 0.8), "6.png": (66, 2, 0.8)}
    plain = {one.path.name: one.age for one in labelled_files(folder, labels)}
    assert plain["3.png"] == 33


def test_labels_that_nobody_audited_cannot_be_trusted(folder):
    labels = relabelled(folder, {"a": label("3.png", 33.0)})
    with pytest.raises(UsageError, match="no labels that were audited"):
        labelled_files(folder, labels, audited=True)


def test_what_cannot_be_read_is_told_and_left_out(folder):
    whole = FolderFaces(folder, "train", 16).load(Silence())
    name = f"{int(whole.ages[5])}.png"
    Image.new("RGB", (24, 30)).save(folder / name)
    remarks = Remarks()
    fewer = FolderFaces(folder, "train", 16).load(remarks)
    assert len(fewer) == len(whole) - 1
    assert len(remarks.remarks) == 1
    assert name in remarks.remarks[0]
    assert whole.ages[5] not in fewer.ages


def test_labels_of_raw_faces_serve_those_enhanced_from_them(tmp_path):
    for person in ("ann", "bob"):
        (tmp_path / "enhanced" / person).mkdir(parents=True)
        Image.new("RGB", (24, 24)).save(tmp_path / "enhanced" / person / "01.png")
    rows = {"a": label("raw/caf/ann/01.jpg", 33.0), "b": label("raw/caf/bob/01.jpg", 44.0)}
    files = labelled_files(tmp_path / "enhanced", relabelled(tmp_path / "enhanced", rows))
    assert [(one.path.parent.name, one.age) for one in files] == [("ann", 33.0), ("bob", 44.0)]


def test_a_manifest_pairs_faces_and_what_was_enhanced_from_them(folder):
    Image.new("RGB", (24, 24), "white").save(folder / "better.png")
    rows = [
        {"source": "faces/3.png", "output": "faces/3.png", "label": "a", "age": 33.0,
         "age_std": 2.0, "reliability": 0.5, "enhanced": "faces/better.png"},
        {"source": "faces/4.png", "output": "faces/4.png", "label": "b", "age": 44.0,
         "enhanced": None},
    ]  # fmt: skip
    manifest = folder.parent / "labels_manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    raw, better = (labelled_files(folder, manifest, enhanced=one) for one in (False, True))
    assert [one.path.name for one in raw] == ["3.png", "4.png"]
    assert [one.path.name for one in better] == ["4.png", "better.png"]
    assert better[1][1:4] == (33.0, 2.0, 0.5)
    assert {one.person for one in raw} == {one.person for one in better}  # the same side
    manifest.write_text(json.dumps(rows[0] | {"output": "../../etc/x.png", "enhanced": None}))
    with pytest.raises(InputError, match="names no face"):
        labelled_files(folder, manifest)
    with pytest.raises(UsageError, match="only a manifest names enhanced"):
        labelled_files(folder, None, enhanced=True)


def test_labels_of_other_pictures_or_of_no_form_are_refused(folder):
    with pytest.raises(InputError, match="none of the labels"):
        labelled_files(folder, relabelled(folder, {"x": label("elsewhere.png", 3.0)}))
    (folder.parent / "labels.json").write_text("[1]")
    with pytest.raises(UsageError, match="cannot be read as labels"):
        labelled_files(folder, folder.parent / "labels.json")
