"""The figures of the guides are those of the cards and of `docs/reports/` that hold them."""

import figures
import pytest
from evaluation.sources import SOURCES
from evaluation.stored import report
from figures import differences

from engine.core.digest import file_sha256
from engine.weights.find import shipped_weights


@pytest.mark.parametrize("source", SOURCES)
def test_figures_are_those_of_the_source(source):
    assert differences(source, write=False) == []


@pytest.mark.parametrize(
    ("page", "value", "expected"),
    [
        ("off by 4.4 years", 4.43, None),
        ("off by 4.4\nyears", 4.46, "off by 4.5\nyears"),
        ("off by -0.4 years", -0.04, "off by 0.0 years"),
        ("off by +0.40 years", 0.511, "off by +0.51 years"),
    ],
)
def test_a_figure_is_written_as_the_page_shows_it(tmp_path, monkeypatch, page, value, expected):
    file = tmp_path / "page.md"
    file.write_text(page)
    monkeypatch.setattr(figures, "PAGES", [file])

    def source():
        yield "off by # years", [value]

    assert bool(differences(source, write=True)) == (expected is not None)
    assert file.read_text() == (expected or page)
    assert differences(source, write=False) == []


@pytest.mark.parametrize("content", ["", "off by 1 years, off by 1 years"])
def test_a_figure_that_is_said_not_once_is_a_difference(tmp_path, monkeypatch, content):
    (tmp_path / "page.md").write_text(content)
    monkeypatch.setattr(figures, "PAGES", [tmp_path / "page.md"])

    def source():
        yield "off by # years", [1.0]

    assert [one.page for one in differences(source, write=True)] == [None]


def test_the_reports_are_of_the_weights_in_the_package():
    measured = report("nano")
    files = {
        "identity": "nano-identity",
        "age": "nano-age",
        "age-evaluator": "nano-age-evaluator",
        "landmarks": "nano-landmarks",
        "model": "nano",
    }
    assert {role: measured["weights"][role] for role in files} == {
        role: file_sha256(shipped_weights()[name]) for role, name in files.items()
    }
    ten = report("ten-ages")
    for name, weights in (("landscapes", "landscapes"), ("enlarger", "nano-x2")):
        assert report(name)["weights_sha256"] == file_sha256(shipped_weights()[weights])
    assert ten["sha256"] == file_sha256(shipped_weights()[ten["weights"]])
