"""The photographs of one person that a browser gives."""

import pytest

from engine.core.errors import UsageError
from engine.page import album as module
from engine.page.album import Album
from engine.page.sessions import Sessions


@pytest.fixture
def sessions(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    return Sessions(root)


@pytest.fixture
def album(sessions):
    return Album.of(sessions.open())


def given(album, *names):
    for name in names:
        album.new_photo(name).write_bytes(b"picture")
    return [path.name for path in album.uploaded()]


def test_names_stay_since_they_say_ages_and_none_replaces_another(album):
    assert given(album, "30_1.jpg", "a/30_1.jpg", "../30_1.jpg", "..") == [
        "30_1-2.jpg",
        "30_1-3.jpg",
        "30_1.jpg",
        "photo",
    ]


def test_more_photographs_or_bytes_than_are_taken_are_refused(album, monkeypatch):
    monkeypatch.setattr(module, "MOST_PHOTOS", 2)
    given(album, "1.jpg", "2.jpg")
    with pytest.raises(UsageError, match="there are 2 photographs: at most 2"):
        album.new_photo("3.jpg")
    monkeypatch.setattr(module, "MOST_PHOTOS", 9)
    monkeypatch.setattr(module, "MOST_BYTES", 13)
    with pytest.raises(UsageError):
        album.new_photo("3.jpg")


def test_a_person_is_forgotten_and_a_training_makes_room_for_another(album):
    given(album, "1.jpg")
    album.run.mkdir()
    album.model.write_bytes(b"x")
    album.forget_training()
    album.forget_training()
    assert (album.run.exists(), album.model.exists(), len(album.uploaded())) == (False, False, 1)
    album.clear()
    album.clear()
    assert not album.folder.exists()


def test_of_a_person_only_the_run_is_kept(sessions, album):
    given(album, "1.jpg")
    for folder in (album.aligned, album.cache, album.run):
        folder.mkdir()
        (folder / "x").write_bytes(b"x")
    (album.folder / "_latest").symlink_to("learned")
    sessions.close(keep=True)
    assert [path.name for path in sorted(album.folder.iterdir())] == ["_latest", "learned"]
