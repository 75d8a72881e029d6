"""What README and guides show: commands that exist, with options they have, and links that lead."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import typer

from engine.losses.face.base import FACE_LOSSES
from tm import VERSION
from tm.cli import build

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
GENERATED = {"reference/commands.md", "reference/recipes.md", "reference/benchmarks.md"}


def examples():
    """Every line of a console block that calls `tm`, with its page."""
    for page in PAGES:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in block.splitlines():
                if line.startswith("tm "):
                    yield pytest.param(line, id=f"{page.stem}: {line[:60]}")


@cache
def command_line():
    return typer.main.get_command(build())


@pytest.mark.parametrize("line", list(examples()))
def test_an_example_is_a_command_with_options_that_it_has(line):
    command, words = command_line(), shlex.split(line, comments=True)[1:]
    if words[-1].startswith("--") and words[-1] in ("--version", "--help"):
        return
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    assert command.make_context("tm", words, resilient_parsing=False).params


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        place = (page.parent / target).resolve()
        inside = place.relative_to(ROOT).as_posix().removeprefix("docs/")
        assert place.exists() or inside in GENERATED, target


def test_the_losses_of_the_concepts_are_those_of_recipes():
    text = (ROOT / "docs" / "concepts" / "losses.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = {kind for row in rows for kind in re.findall(r"`(\w+)`", row)}
    assert named - {"kind"} <= set(FACE_LOSSES)


def test_every_concept_has_one_picture():
    for page in sorted((ROOT / "docs" / "concepts").glob("*.md")):
        pictures = re.findall(r"^!\[.+\]\(", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(pictures) == (page.stem != "index"), page.name


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 160


def test_changes_and_citation_name_this_version():
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    numbers = re.findall(r"^## (\d\S+) - \d{4}-\d\d-\d\d$", changes, re.MULTILINE)
    assert numbers[0] == VERSION
    assert f"version: {VERSION}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    made = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    keys = (tmp_path / "reference" / "recipes.html").read_text(encoding="utf-8")
    assert "Largest random shift of a picture" in keys
    pages = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")]
    fetched = re.compile(r"<(?:script|link|img)[^>]+(?:src|href)=\"?https?://")
    assert not any(fetched.search(page) for page in pages)
