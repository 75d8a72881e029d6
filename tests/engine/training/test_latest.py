import os
from pathlib import Path

import pytest

from engine.core.progress import Silence
from engine.training.latest import point_to


class Told(Silence):
    def __init__(self):
        self.remarks = []

    def remark(self, text):
        self.remarks.append(text)


@pytest.fixture
def runs(tmp_path):
    for name in ("one", "two"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    return tmp_path / "runs"


@pytest.fixture
def without_links(monkeypatch):
    def refuse(self, *_, **__):
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)


def test_the_newest_run_is_where_latest_leads(runs):
    for name in ("one", "two"):
        point_to(runs / name, Silence())
        assert (runs / "_latest").resolve() == runs / name
    assert os.readlink(runs / "_latest") == "two"
    assert sorted(path.name for path in runs.iterdir()) == ["_latest", "one", "two"]


def test_the_runs_may_be_moved_together(runs):
    point_to(runs / "one", Silence())
    moved = runs.rename(runs.with_name("elsewhere"))
    assert (moved / "_latest").resolve() == moved / "one"


def test_a_run_in_the_working_folder_has_a_name_too(runs, monkeypatch):
    monkeypatch.chdir(runs / "two")
    point_to(Path(), Silence())
    assert (runs / "_latest").resolve() == runs / "two"


def test_without_links_a_text_file_names_the_run(runs, without_links):
    point_to(runs / "one", Silence())
    assert (runs / "_latest").read_text() == "one\n"
    assert sorted(path.name for path in runs.iterdir()) == ["_latest", "one", "two"]


def test_a_folder_of_that_name_is_somebody_s(runs):
    (runs / "_latest").mkdir()
    (runs / "_latest" / "mine.txt").write_text("mine")
    told = Told()
    point_to(runs / "one", told)
    assert told.remarks == []
    assert (runs / "_latest" / "mine.txt").read_text() == "mine"


def test_where_nothing_can_be_written_a_run_goes_on(tmp_path):
    (tmp_path / "file").write_text("no folder")
    told = Told()
    point_to(tmp_path / "file" / "run", told)
    assert "nothing leads to the newest run" in told.remarks[0]
