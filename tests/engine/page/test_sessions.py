"""Sessions: each browser has a folder, and nothing outside it is opened."""

import os

import pytest

from engine.core.errors import InputError, UsageError
from engine.page import sessions as module
from engine.page.sessions import BusyError, Sessions, safe_name


@pytest.fixture
def sessions(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    return Sessions(root)


def uploaded(session, name="me.png"):
    path = session.new_upload(name)
    path.write_bytes(b"picture")
    return path


def test_a_session_is_found_by_its_secret_alone(sessions):
    one, other = sessions.open(), sessions.open()
    assert sessions.get(one.secret) is one
    assert one.secret not in str(one.folder)
    for wrong in (None, "", one.folder.name, other.secret[:-1]):
        assert sessions.get(wrong) is None


def test_a_session_opens_its_own_files_only(sessions, tmp_path):
    one, other = sessions.open(), sessions.open()
    mine, theirs = uploaded(one), uploaded(other)
    (tmp_path / "secret.txt").write_text("x")
    link = mine.with_name("link.png")
    link.symlink_to(tmp_path / "secret.txt")
    assert one.file(str(mine)) == mine
    assert one.file(mine.relative_to(one.folder).as_posix()) == mine
    for path in (
        str(theirs),
        "/etc/passwd",
        "",
        ".",
        "a\0b",
        f"{one.folder}/../{theirs.relative_to(sessions.root)}",
        f"{one.folder}x/{mine.name}",
        str(link),
        str(mine.parent),
        str(tmp_path / "secret.txt"),
    ):
        with pytest.raises((UsageError, InputError)):
            one.file(path)


def test_the_oldest_upload_goes_when_there_are_many(sessions):
    session = sessions.open()
    paths = []
    for number in range(module.MOST_KEPT + 2):
        paths.append(uploaded(session, f"{number}.png"))
        os.utime(paths[-1].parent, (number, number))
        session.new_landscape()
    assert [path.exists() for path in paths] == [False] * 2 + [True] * module.MOST_KEPT


def test_more_browsers_than_are_served_wait_unless_one_is_idle(sessions, monkeypatch):
    monkeypatch.setattr(module, "MOST_SESSIONS", 2)
    first, second = sessions.open(), sessions.open()
    with pytest.raises(BusyError):
        sessions.open()
    first.used -= module.IDLE + 1
    third = sessions.open()
    assert not first.folder.exists()
    assert [sessions.get(one.secret) for one in (first, second, third)] == [None, second, third]


def test_everything_goes_at_the_end_unless_results_are_kept(sessions):
    session = sessions.open()
    upload = uploaded(session)
    result = session.new_results(upload) / "me_age60.png"
    result.write_bytes(b"aged")
    idle = sessions.open()
    sessions.close(keep=True)
    assert result.exists()
    assert not upload.exists()
    assert not idle.folder.exists()
    sessions.close(keep=False)
    assert not sessions.root.exists()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..", "", "a/b\\c.png", "\0", "x" * 500 + ".png", "-rf", ".ssh"]
)
def test_a_safe_name_is_one_part_of_a_path(sessions, name):
    safe = safe_name(name)
    assert safe
    assert len(safe.encode()) < 200
    assert not set("/\\\0") & set(safe)
    assert not safe.startswith(".")
    uploaded(sessions.open(), name)
