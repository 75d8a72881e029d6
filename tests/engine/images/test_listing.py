"""Folders are searched without loops or surprises, and an empty one explains itself."""

import errno
import os

import pytest

from engine.core.errors import UsageError
from engine.images.reading import find_pictures


def test_pictures_are_found_recursively_sorted_and_without_hidden_ones(tmp_path):
    for name in ("b.JPG", "a.png", "deep/er/c.webp", ".hidden/d.png", "._a.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listing = find_pictures(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in listing.pictures] == [
        "a.png", "b.JPG", "deep/er/c.webp",
    ]  # fmt: skip
    assert listing.others == 1


def test_symlinked_folders_are_followed_and_loops_survived(tmp_path):
    real, elsewhere = tmp_path / "src" / "z", tmp_path / "elsewhere"
    real.mkdir(parents=True)
    elsewhere.mkdir()
    (real / "a.png").touch()
    (elsewhere / "b.png").touch()
    (real / "up").symlink_to(tmp_path / "src", target_is_directory=True)
    (tmp_path / "src" / "alias").symlink_to(real, target_is_directory=True)
    (tmp_path / "src" / "other").symlink_to(elsewhere, target_is_directory=True)
    listing = find_pictures(tmp_path / "src")
    assert listing.pictures == (tmp_path / "src" / "other" / "b.png", real / "a.png")


def test_a_folder_without_pictures_explains_itself(tmp_path):
    assert "the folder is empty; looked for" in find_pictures(tmp_path).explanation
    for k in range(12):
        (tmp_path / f"{k}.txt").touch()
    text = find_pictures(tmp_path).explanation
    assert text.startswith("no pictures among 12 file(s); looked for ")
    assert ".jpg" in text


def test_an_unreadable_folder_is_counted_not_fatal(tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    (tmp_path / "a.png").touch()
    scan = os.scandir

    def refuse(place):
        if str(place).endswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    listing = find_pictures(tmp_path)
    assert listing.pictures == (tmp_path / "a.png",)
    assert listing.unreadable == (tmp_path / "locked",)


def test_a_missing_folder_is_a_usage_error_and_a_file_its_own_listing(tmp_path):
    with pytest.raises(UsageError, match="is not a folder"):
        find_pictures(tmp_path / "nowhere")
    (tmp_path / "odd.name").touch()
    assert find_pictures(tmp_path / "odd.name").pictures == (tmp_path / "odd.name",)
