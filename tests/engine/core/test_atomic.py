import errno
import os
import pathlib

import pytest

from engine.core.atomic import write_bytes, write_json, write_text
from engine.core.errors import DiskError, UsageError


def refuse(monkeypatch, code):
    """Let every file of the atomic writer fail in its first write with the given errno."""
    real = pathlib.Path.open

    def open_(self, mode="r", *args, **kwargs):
        file = real(self, mode, *args, **kwargs)
        if "w" not in mode:
            return file

        class Full:
            def __enter__(self):
                return self

            def __exit__(self, *details):
                file.close()

            def write(self, content):
                raise OSError(code, os.strerror(code))

        return Full()

    monkeypatch.setattr(pathlib.Path, "open", open_)


def test_a_file_appears_whole(tmp_path):
    write_text(tmp_path / "deep" / "a.txt", "ü")
    assert (tmp_path / "deep" / "a.txt").read_text(encoding="utf-8") == "ü"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (errno.ENOSPC, DiskError, "no space left to write"),
        (errno.EACCES, UsageError, "may not be written"),
        (errno.EROFS, UsageError, "may not be written"),
        (errno.EIO, DiskError, "cannot be written"),
    ],
)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch, code, error, words
):
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")
    refuse(monkeypatch, code)
    with pytest.raises(error, match=words):
        write_bytes(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def interrupt(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_json(path, {"new": 2})
    assert path.read_text(encoding="utf-8") == '{\n  "old": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_in_the_way_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match="cannot be written") as error:
        write_text(tmp_path / "a", "x")
    assert str(error.value.hint).startswith("a folder stands where a file is to be")


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "a").write_text("file")
    with pytest.raises(UsageError, match="cannot be written") as error:
        write_text(tmp_path / "a" / "b.txt", "x")
    assert str(error.value.hint).startswith("a file stands where a folder is to be")
