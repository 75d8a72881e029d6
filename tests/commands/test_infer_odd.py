"""`tm infer` on odd photographs: each a sane picture, or one sentence that says why not."""

import json

import numpy as np
import pytest
from odd_photos import PICTURES, compose
from PIL import Image

from engine.app.infer import InferRequest, infer

NO_FACE = "no face found"
REFUSED = {
    "half_a_face.png": NO_FACE,
    "squashed.png": NO_FACE,
    "page.png": NO_FACE,
    "only_noise.png": NO_FACE,
    "white.png": NO_FACE,
    "negative.png": "is none by the face mesh",
    "cut_short.jpg": "is cut short",
    "letter.jpg": "is a text file, not a picture",
}
DRAWN = {"drawn.png"}
EITHER = {"mask.png", "roll_45.png", "painting.png", "statue.png", "thumbnail.png"}
"""A sentence or a picture, by what the detector makes of them."""


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """The folder of odd photographs, that of their aged pictures, and the rows by name."""
    photos, out = tmp_path_factory.mktemp("odd"), tmp_path_factory.mktemp("aged")
    compose(photos)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TM_WEIGHTS", str(out / "none"))
        settings = ("evaluate=false",)
        infer(InferRequest(source=photos, out=out, ages=(65.0,), age=30.0, settings=settings))
    lines = (out / "results.jsonl").read_text().splitlines()
    rows = {row["source"].split("/")[-1]: row for row in map(json.loads, lines)}
    return photos, out, rows


def test_every_odd_photograph_has_its_row(odd):
    photos, _, rows = odd
    assert set(rows) == {path.name for path in photos.iterdir()}
    assert len(rows) >= 30


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_be_aged_is_refused_in_one_sentence(odd, name):
    row = odd[2][name]
    assert row["status"] in ("skipped", "failed")
    assert REFUSED[name] in row["reason"]
    assert "\n" not in row["reason"]
    assert len(row["reason"]) < 160


def names_to_age():
    made = {f"{name}.png" for name in PICTURES} - set(REFUSED) - EITHER
    others = ("jpeg_8.jpg", "cmyk.jpg", "palette.png", "film.gif", "grey_16_bit.png")
    return sorted({*made, *others, "transparent.png", "sideways.jpg"})


@pytest.mark.parametrize("name", names_to_age())
def test_what_can_be_aged_is_aged_by_its_model(odd, name):
    photos, out, rows = odd
    row = rows[name]
    assert (row["status"], row["reason"]) == ("done", None)
    assert row["model"] == ("nano" if name in DRAWN else "photo")
    with Image.open(out / row["output"]) as picture:
        aged = np.asarray(picture)
    assert (aged.dtype, aged.ndim) == (np.uint8, 3)
    if name in DRAWN:
        return
    with Image.open(photos / name) as source:
        width, height = source.size
        upright = (height, width) if name == "sideways.jpg" else (width, height)
        assert picture.size == upright
        if source.mode == "RGB" and name != "sideways.jpg":
            changed = np.abs(aged.astype(int) - np.asarray(source)).mean(axis=2)
            assert 0.05 < changed.mean() < 12, "a face changes, not the whole picture"


@pytest.mark.parametrize("name", sorted(EITHER))
def test_what_may_be_a_face_ends_well_either_way(odd, name):
    row = odd[2][name]
    assert row["status"] in ("done", "skipped")
    assert (row["reason"] is None) == (row["status"] == "done")


@pytest.mark.parametrize("name", ["white.png", "negative.png", "letter.jpg"])
def test_a_lone_photograph_that_is_refused_ends_with_exit_3(tm, odd, tmp_path, name):
    argv = ("infer", odd[0] / name, "--ages", "65", "--age", 30, "--out", tmp_path / "out")
    refused = tm(*argv)
    assert refused.code == 3
    assert REFUSED[name] in refused.err


def test_a_covered_face_is_left_alone(tm, odd, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.inference.photo_method.is_covered", lambda *_: True)
    argv = ("infer", odd[0] / "plain.png", "--ages", "65", "--age", 30, "--set", "evaluate=false")
    refused = tm(*argv, "--out", tmp_path / "out")
    assert (refused.code, "has nose and mouth covered" in refused.err) == (3, True)
    assert tm(*argv, "--out", tmp_path / "forced", "--force").code == 0
