"""The report as a browser meets it."""

import html
import re
import shutil
import subprocess
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from engine.scoring.page import page
from engine.scoring.strip import best_source, columns_of, grid, strip

VOID = {"meta", "img", "br"}


class Reader(HTMLParser):
    """Checks that every element is closed, and keeps what it meets."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.pictures, self.addresses, self.words = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        result = dict(attrs)
        self.tags.append(tag)
        if tag == "img":
            self.pictures.append(result["src"])
            assert result["alt"]
        self.addresses += [v for k, v in attrs if k in ("src", "href", "srcset") and v]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def text(evaluation):
    return page(evaluation, "tm eval <here> & there", "tm 1")


@pytest.fixture(scope="module")
def read(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


def test_every_element_is_closed(read):
    assert read.open == []
    assert {"main", "table", "svg", "details"} <= set(read.tags)


def test_every_picture_decodes(read):
    assert len(read.pictures) > 20
    for source in read.pictures:
        kind, _, data = source.partition(",")
        assert kind == "data:image/jpeg;base64"
        with Image.open(BytesIO(b64decode(data, validate=True))) as picture:
            assert np.asarray(picture).std() > 5


def test_nothing_is_fetched_from_anywhere(read, text):
    assert all(address.startswith(("data:", "#")) for address in read.addresses)
    assert not re.search(r"url\((?!#)|@import", text)


def test_names_and_figures_are_shown_and_escaped(read, evaluation):
    words = " ".join(read.words)
    assert "tm eval <here> & there" in words
    assert {"perfect", "impostor", "nearest photo", "extrapolated"} <= set(
        re.findall(r"nearest photo|\w+", words)
    )
    assert f"{evaluation.report['blurred']['identity']:.2f}" in words


def test_only_significantly_better_figures_are_bold(evaluation, text):
    for method in evaluation.report["methods"]:
        assert f"<b>{evaluation.report[method]['age_mae']:.1f}</b>" not in text
    assert f"<b>{evaluation.report['perfect']['identity']:.2f}</b>" in text


def test_plots_take_the_colours_of_the_page(text):
    assert "var(--method-1)" in text
    assert "prefers-color-scheme: dark" in text


def test_a_single_method_makes_a_page_too(without_truth):
    reader = Reader()
    reader.feed(page(without_truth, "tm eval", "tm 1"))
    assert reader.open == []
    assert "of the portraits" in " ".join(reader.words)


def test_the_strip_marks_extrapolated_ages(evaluation):
    source = best_source(evaluation)
    assert [column.extrapolated for column in columns_of(evaluation, source)] == [
        False,
        False,
        True,
    ]
    sheet = strip(evaluation, source)
    corner = [tuple(sheet[-1, x]) for x in (120, sheet.shape[1] - 20)]
    assert corner[0] != corner[1]


def test_sheets_hold_a_bounded_number_of_photos(evaluation, monkeypatch):
    method = evaluation.material.methods[0]
    height = grid(evaluation, method).shape[0]
    monkeypatch.setattr("engine.scoring.strip.MOST_ROWS", 1)
    monkeypatch.setattr("engine.scoring.gallery.MOST_ROWS", 1)
    monkeypatch.setattr("engine.scoring.gallery.MOST_PHOTOS", 0)
    assert grid(evaluation, method).shape[0] < height - 192
    assert "The next 1 photos are in the grid files" in page(evaluation, "tm eval", "tm 1")


MEASURE = """<script>onload = () => { document.title = [400, 1400].map(wide => {
  const page = document.getElementById("w" + wide).contentDocument;
  const over = [...page.querySelectorAll("main *")].filter(one =>
    !one.closest(".scroll, pre") && one.getBoundingClientRect().right > wide + 0.5);
  return page.documentElement.scrollWidth > wide || over.length ? "over" : "fits";
}).join(" ") }</script>"""


def test_nothing_overflows_on_a_phone_or_a_desk(text, tmp_path):
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no Chromium here")
    frames = "".join(
        f'<iframe id="w{wide}" style="border:0;width:{wide}px;height:900px" '
        f'srcdoc="{html.escape(text)}"></iframe>'
        for wide in (400, 1400)
    )
    (tmp_path / "frames.html").write_text(f"<!doctype html><body>{frames}{MEASURE}</body>")
    argv = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    argv += [f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "frames.html").as_uri()]
    result = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120)
    assert "<title>fits fits</title>" in result.stdout
