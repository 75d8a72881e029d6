"""Captions of the faces of a training: found by content, zeros where there is none."""

import hashlib
import os

import pytest
import torch

from engine.core.errors import UsageError
from engine.core.progress import Silence
from engine.data.captions import Caption, Captions, Maker
from engine.trainings.agetransformer import captions as module
from engine.trainings.agetransformer.captions import content_digests, find_captions


class Remarks(Silence):
    def __init__(self):
        self.remarks = []

    def remark(self, text):
        self.remarks.append(text)


@pytest.fixture
def files(tmp_path):
    for name in "abcd":
        (tmp_path / name).write_text(name)
    return [str(tmp_path / name) for name in "abcd"]


@pytest.fixture
def folder(tmp_path):
    """A cache of `c` and `a`, under names of long ago."""
    said = tuple(
        Caption(f"old/{name}", hashlib.sha256(name.encode()).hexdigest(), name, "30")
        for name in "ca"
    )
    rows = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).half()
    Captions(Maker("m", "r", "p", "s", 2), said, rows, -rows).save(tmp_path / "cache")
    return tmp_path / "cache"


def test_a_face_has_its_own_embeddings_and_one_without_has_zeros_and_a_mask_of_0(files, folder):
    remarks = Remarks()
    values = find_captions(files, folder, remarks).at(torch.tensor([1, 0, 2, 3, 0]))
    a, c, none = [3, 4, -3, -4, 1], [1, 2, -1, -2, 1], [0] * 5
    assert values.tolist() == [none, a, c, none, a]
    assert values.dtype == torch.float32
    assert remarks.remarks == ["2 of 4 faces have a caption"]


def test_a_picture_that_changed_has_lost_its_caption(files, folder, tmp_path):
    find_captions(files, folder, Silence())
    (tmp_path / "a").write_text("retouched")
    os.utime(tmp_path / "a", ns=(1, 1))
    assert find_captions(files, folder, Silence()).rows.tolist() == [-1, -1, 0, -1]


def test_a_cache_of_other_faces_is_refused(files, folder):
    with pytest.raises(UsageError, match="no caption for any of the 2 faces"):
        find_captions([files[1], files[3]], folder, Silence())


def test_files_that_did_not_change_are_read_once(files, monkeypatch):
    first = content_digests(files, Silence())
    assert first == [hashlib.sha256(name.encode()).hexdigest() for name in "abcd"]
    monkeypatch.setattr(module, "file_sha256", None)
    assert content_digests(files, Silence()) == first
