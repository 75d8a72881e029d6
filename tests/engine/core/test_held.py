"""A held folder: what is removed in it, what leaves it, and what is replaced."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.core.atomic import write_text
from engine.core.errors import UsageError
from engine.core.held import RECORD, TakenError, begin, overwriting, within
from engine.core.lock import locked

DIE = """
import os, sys
from pathlib import Path
from engine.core.atomic import written
from engine.core.held import begin
from engine.core.lock import locked
out = Path(sys.argv[1])
with locked(out):
    half = begin(out / "checkpoints" / "step_4")
    half.mkdir(parents=True)
    (half / "nets").write_text("half")
    with written(out / "deep" / "a.png") as file:
        file.write(b"half")
        file.flush()
        os._exit(9)
"""
OTHERS = (
    ".letter.partial",
    "deep/.video.mp4.partial",
    ".rsync.partial/file.bin",
    "deep/.download.partial/whole.zip",
    ".a.png.1a2b3c4d.partial",
    ".tm-0123456789ab.partial",
)


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("guarded", [False, True])
def test_only_what_the_record_names_is_removed(tmp_path, guarded):
    for name in OTHERS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("not ours")
    subprocess.run([sys.executable, "-c", DIE, tmp_path], check=False)
    assert len(names(tmp_path)) == len(OTHERS) + 5  # the two halves, lock, owner, record
    with locked(tmp_path, guarded=guarded):
        pass
    assert set(names(tmp_path)) - set(OTHERS) <= {".lock", RECORD}
    assert set(OTHERS) <= set(names(tmp_path))


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_what_an_orderly_end_leaves_unfinished_goes_too(tmp_path, guarded, error):
    """The record of a run folder goes with its run: nobody would remove it later."""
    with pytest.raises(type(error)), locked(tmp_path, guarded=guarded):
        begin(tmp_path / "step_4").mkdir()
        raise error
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    "name", ["../outside.partial", "{abs}/outside.partial", "link/outside.partial", "precious"]
)
def test_a_record_that_somebody_wrote_removes_nothing_else(tmp_path, name):
    out, outside = tmp_path / "out", tmp_path / "away" / "outside.partial"
    out.mkdir()
    outside.parent.mkdir()
    outside.write_text("precious")
    (tmp_path / "outside.partial").write_text("precious")
    (out / "precious").write_text("precious")
    (out / "link").symlink_to(outside.parent)
    record = [["a", name.format(abs=outside.parent)], 5, [[]], ["a"], [None, None]]
    (out / RECORD).write_text("\n".join(json.dumps(entry) for entry in record) + "\n[[[\n\xff")
    with locked(out):
        pass
    assert outside.exists()
    assert (out / "precious").exists()
    assert (tmp_path / "outside.partial").exists()


def test_an_outer_folder_leaves_the_inner_one_alone(tmp_path):
    inner = tmp_path / "runs" / "me"
    with locked(inner):
        write_text(inner / "a.txt", "a")
        begun = list(inner.rglob("*"))
        with locked(tmp_path):
            assert list(inner.rglob("*")) == begun


@pytest.mark.parametrize(
    "name", ["../x.png", "sub/../../x.png", "link/x.png", "link", "ring/x.png", "..", "."]
)
def test_nothing_is_written_outside_a_held_folder(tmp_path, name):
    out, away = tmp_path / "out", tmp_path / "away"
    away.mkdir()
    out.mkdir()
    (out / "link").symlink_to(away)
    (out / "ring").symlink_to("ring")
    with locked(out):
        before = names(tmp_path)
        if name == "link":  # a link is replaced, not followed
            write_text(out / name, "x")
            assert not (out / name).is_symlink()
        else:
            with pytest.raises(TakenError, match="outside"):
                write_text(out / name, "x")
            assert names(tmp_path) == before
    assert not list(away.iterdir())


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/../../x", "/etc/x", "l/x", "a\0b"])
def test_a_name_from_outside_stays_in_its_folder(tmp_path, name):
    (tmp_path / "l").symlink_to("/etc")
    with pytest.raises(UsageError, match="leads out of"):
        within(tmp_path, name)
    assert within(tmp_path, "a/b.png") == tmp_path / "a/b.png"


def test_a_guarded_folder_replaces_only_its_own(tmp_path):
    (tmp_path / "theirs.txt").write_text("theirs")
    (tmp_path / "dangling").symlink_to("nothing")
    with locked(tmp_path, guarded=True):
        write_text(tmp_path / "ours.txt", "1")
        write_text(tmp_path / "ours.txt", "2")
        for name in ("theirs.txt", "dangling"):
            with pytest.raises(TakenError, match=f"`{name}` is there already"):
                write_text(tmp_path / name, "tm")
    with locked(tmp_path, guarded=True):
        write_text(tmp_path / "ours.txt", "3")
    (tmp_path / "ours.txt").unlink()
    with locked(tmp_path, guarded=True):
        pass
    (tmp_path / "ours.txt").write_text("now theirs")
    with locked(tmp_path, guarded=True), pytest.raises(TakenError):
        write_text(tmp_path / "ours.txt", "4")
    with overwriting(True), locked(tmp_path, guarded=True):
        write_text(tmp_path / "ours.txt", "5")
    assert (tmp_path / "theirs.txt").read_text() == "theirs"
    assert (tmp_path / "ours.txt").read_text() == "5"


def test_an_input_is_never_replaced(tmp_path):
    photo = tmp_path / "a.png"
    photo.write_text("photo")
    with overwriting(True), locked(tmp_path, guarded=True, inputs=[photo]):
        with pytest.raises(TakenError, match="input"):
            write_text(tmp_path / "a.png", "tm")
        with pytest.raises(TakenError, match="input"):
            write_text(tmp_path / "sub" / ".." / "a.png", "tm")
    assert photo.read_text() == "photo"


def test_a_name_too_long_for_the_disk_fails_its_item_alone(tmp_path):
    write_text(tmp_path / ("x" * 255), "as long as may be")
    with pytest.raises(TakenError, match="too long"):
        write_text(tmp_path / ("x" * 256), "too long")
    assert len(list(tmp_path.iterdir())) == 1


def test_relative_paths_and_links_to_the_folder_are_the_folder(tmp_path, monkeypatch):
    out, link = tmp_path / "out", tmp_path / "link"
    out.mkdir()
    link.symlink_to(out)
    (out / "theirs.txt").write_text("theirs")
    monkeypatch.chdir(tmp_path)
    for held, path in ((Path("out"), out), (link, out), (out, Path("out"))):
        with locked(held, guarded=True), pytest.raises(TakenError):
            write_text(path / "theirs.txt", "tm")
    assert os.listdir(link) == os.listdir(out)
