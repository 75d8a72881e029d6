"""Foreign files before their first byte is believed."""

import os

import pytest
import torch

from engine.core.errors import WeightsError
from engine.weights.formats.cursor import Cursor, file_bytes, malformed


def test_a_file_is_read_whole(tmp_path):
    (tmp_path / "a").write_bytes(b"numbers")
    assert file_bytes(tmp_path / "a", 7) == b"numbers"


@pytest.mark.parametrize("kind", ["absent", "folder", "large", "pipe", "endless"])
def test_what_is_no_small_regular_file_is_refused_at_once(tmp_path, kind, hostile):
    path = tmp_path / "a"
    if kind == "folder":
        path.mkdir()
    elif kind == "large":
        path.write_bytes(b"numbers")
    elif kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no pipes here")
        os.mkfifo(path)
    elif kind == "endless":
        if not os.path.exists("/dev/zero"):
            pytest.skip("no endless file here")
        path.symlink_to("/dev/zero")
    assert hostile.refused(lambda: file_bytes(path, 6))


@pytest.mark.parametrize("shape", [[-1], [2, -2], [1 << 62], [1 << 40, 1 << 40], [3]])
def test_no_tensor_is_larger_than_its_file(shape, hostile):
    assert hostile.refused(lambda: Cursor(bytes(8), "x").tensor(shape, "f4", "a tensor"))


def test_tensors_own_their_numbers():
    data = bytearray(8)
    tensor = Cursor(bytes(data), "x").tensor([2], "f4", "a tensor")
    tensor += 1
    assert torch.equal(tensor, torch.ones(2))


def test_control_characters_reach_no_terminal():
    assert str(malformed("a\x1b[31m.bin", "is\nred")) == "`a?[31m.bin` is?red"
    assert malformed("a", "is bad").hint
    assert issubclass(type(malformed("a", "is bad")), WeightsError)
