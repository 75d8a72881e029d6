import os
from pathlib import Path

import pytest

from engine.core.progress import Silence
from engine.training.latest import link_latest


class Remarks(Silence):
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
        link_latest(runs / name, Silence())
        assert (runs / "_latest").resolve() == runs / name
    assert os.readlink(runs / "_latest") == "two"
    assert sorted(path.name for path in runs.iterdir()) == ["_latest", "one", "two"]


def test_the_runs_may_be_moved_together(runs):
    link_latest(runs / "one", Silence())
    moved = runs.rename(runs.with_name("elsewhere"))
    assert (moved / "_latest").resolve() == moved / "one"


def test_a_run_in_the_working_folder_has_a_name_too(runs, monkeypatch):
    monkeypatch.chdir(runs / "two")
    link_latest(Path(), Silence())
    assert (runs / "_latest").resolve() == runs / "two"


def test_without_links_a_text_file_names_the_run(runs, without_links):
    link_latest(runs / "one", Silence())
    assert (runs / "_latest").read_text() == "one\n"
    assert sorted(path.name for path in runs.iterdir()) == ["_latest", "one", "two"]


def test_a_folder_of_that_name_is_somebody_s(runs):
    (runs / "_latest").mkdir()
    (runs / "_latest" / "mine.txt").write_text("mine")
    progress = Remarks()
    link_latest(runs / "one", progress)
    assert progress.remarks == []
    assert (runs / "_latest" / "mine.txt").read_text() == "mine"


def test_where_nothing_can_be_written_a_run_goes_on(tmp_path):
    (tmp_path / "file").write_text("no folder")
    progress = Remarks()
    link_latest(tmp_path / "file" / "run", progress)
    assert "there is no link to the newest run" in progress.remarks[0]
