"""The photographs of the page: prepared once, refused in the words of the command."""

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from engine.core.errors import PictureError
from engine.inference.source_age import AgeEstimates
from engine.page import ageing as module
from engine.page.ageing import Choice, RefusedError, Studio
from engine.page.pictures import jpeg


@pytest.fixture(scope="module")
def studio():
    return Studio()


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("session") / "eve.png"
    Image.fromarray(astronaut()).save(path)
    return path


def test_a_photograph_is_prepared_once_for_all_ages(studio, photo, monkeypatch):
    sitting = studio.sitting(Choice(photo))
    monkeypatch.setattr(module, "find", None)
    assert studio.sitting(Choice(photo)) is sitting
    old = studio.at(sitting, 75)
    assert old.shape == sitting.before.shape
    assert np.abs(old.astype(int) - sitting.before)[60:200, 170:280].mean() > 2
    row = studio.evaluated(sitting, old, 75)
    assert row["predicted_age"] > sitting.sitter.source.years + 8
    assert (row["age_by"], row["identity_by"]) == ("age-cc0", "dlib 128-D")


def test_warming_up_keeps_nothing(studio):
    kept = dict(studio._kept)
    studio.warm_up()
    assert studio._kept == kept


def test_few_photographs_stay_in_memory(studio, photo, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 1)
    monkeypatch.setattr(Studio, "_prepared", lambda *_: object())
    one = studio.sitting(Choice(photo, age=40))
    studio.sitting(Choice(photo, age=41))
    assert studio.sitting(Choice(photo, age=40)) is not one


def test_large_photographs_are_shown_small_with_their_face(photo, monkeypatch):
    monkeypatch.setattr(module, "SHOWN_SIDE", 256)
    subject = module.find(Choice(photo))
    small, face = module.shrunk(subject.photo, subject.detected)
    assert small.shape == (256, 256, 3)
    assert np.allclose(face.landmarks, (subject.detected.landmarks + 0.5) / 2 - 0.5, atol=1e-3)


def test_a_child_is_refused_in_the_words_of_the_command(studio, photo, monkeypatch):
    monkeypatch.setattr(AgeEstimates, "years", lambda *_: 12.0)
    with pytest.raises(RefusedError, match="shows somebody who looks 12") as refused:
        studio.sitting(Choice(photo, age=33))
    assert refused.value.face.shape == (192, 192, 3)
    assert studio.sitting(Choice(photo, age=33, force=True)).sitter.source.years == 33


def test_what_is_no_usable_photograph_has_a_reason(studio, photo, tmp_path, monkeypatch):
    page = tmp_path / "page.png"
    page.write_bytes(b"<!DOCTYPE html><title>x</title>")
    with pytest.raises(PictureError, match="is a web page"):
        studio.sitting(Choice(page))
    with pytest.raises(PictureError, match="face 3 was requested"):
        studio.sitting(Choice(photo, face=3))
    monkeypatch.setattr(module, "MOST_MEGAPIXELS", 0.1)
    with pytest.raises(PictureError, match="over the limit"):
        studio.sitting(Choice(photo, age=50))


def test_what_is_shown_says_that_it_is_synthetic(tmp_path):
    path = tmp_path / "shown.jpg"
    path.write_bytes(jpeg(np.zeros((8, 8, 3), np.uint8), {"made": "re-aged", "synthetic": True}))
    with Image.open(path) as image:
        assert b'"synthetic": true' in image.info["comment"]
