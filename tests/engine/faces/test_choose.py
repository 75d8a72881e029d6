"""`largest`, `all`, a number or `like:REF`: parsed strictly, chosen as said."""

import pickle

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from engine.core.errors import InputError, PictureError, UsageError
from engine.faces.choose import FaceChoice
from engine.faces.detect import Detections, Face, FaceFinder


def face(left, size):
    box = (float(left), 0.0, float(left + size), float(size))
    return Face(box, 1.0, np.zeros((68, 2), np.float32), "hog", 0, False, 0.0)


FACES = [face(0, 40), face(100, 90), face(300, 60)]
BLANK = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [("largest", [90]), (" Largest ", [90]), ("all", [90, 60, 40]), ("1", [90]), ("3", [40])],
)
def test_faces_are_chosen_by_size(text, sizes):
    chosen = FaceChoice.parse(text).among(Detections(FACES, []), BLANK)
    assert [one.size for one in chosen] == sizes


@pytest.mark.parametrize("text", ["", "biggest", "0", "-1", "1.5", "²", "like", "largest,all"])
def test_nonsense_is_a_usage_error_with_the_choices(text):
    with pytest.raises(UsageError, match="is no choice of a face") as caught:
        FaceChoice.parse(text)
    assert "like:PHOTO" in str(caught.value.hint)


def test_a_reference_that_is_no_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="is not a file"):
        FaceChoice.parse(f"like:{tmp_path / 'nobody.png'}")
    with pytest.raises(UsageError, match="is not a file"):
        FaceChoice.parse("like:")


@pytest.mark.parametrize("text", ["largest", "all", "2"])
def test_a_choice_prints_as_it_was_written(text):
    assert str(FaceChoice.parse(text)) == text


def test_only_all_gives_several_and_only_largest_may_stop_early():
    assert [FaceChoice.parse(text).every for text in ("largest", "all", "2")] == [
        False,
        True,
        False,
    ]
    needs = [FaceChoice.parse(text).needs_all_sizes for text in ("largest", "all", "2")]
    assert needs == [False, True, True]


def test_too_few_faces_are_a_reason_to_skip():
    with pytest.raises(PictureError, match="face 4 was requested, 3 found") as caught:
        FaceChoice.parse("4").among(Detections(FACES, []), BLANK)
    assert caught.value.status == "skipped"
    with pytest.raises(PictureError, match="no face found"):
        FaceChoice().among(Detections([], []), BLANK)


def test_like_finds_the_person_of_the_reference_not_the_largest(tmp_path):
    Image.fromarray(astronaut()[:, ::-1]).save(tmp_path / "me.png")
    choice = FaceChoice.parse(f"like:{tmp_path / 'me.png'}")
    choice.check()
    assert str(choice) == f"like:{tmp_path / 'me.png'}"
    pixels = astronaut()
    (real,) = FaceFinder().find(pixels)
    left, top, right, bottom = real.box
    # The points moved off the face describe somebody else in a larger box.
    elsewhere = Face(
        (0, 0, 300, 300), 1.0, real.landmarks + np.float32([60, 200]), "hog", 0, False, 0
    )
    (chosen,) = choice.among(Detections([elsewhere, real], []), pixels)
    assert chosen.box == (left, top, right, bottom)
    with pytest.raises(PictureError, match="no face like the reference") as caught:
        choice.among(Detections([elsewhere], []), pixels)
    assert caught.value.status == "skipped"


def test_a_reference_without_a_face_is_an_input_error(tmp_path):
    Image.fromarray(np.full((90, 90, 3), 128, np.uint8)).save(tmp_path / "wall.png")
    with pytest.raises(InputError, match="the reference `.*`: no face found"):
        FaceChoice.parse(f"like:{tmp_path / 'wall.png'}").check()
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(InputError, match="is a text file"):
        FaceChoice.parse(f"like:{tmp_path / 'text.png'}").check()


def test_a_choice_travels_to_other_processes():
    choice = FaceChoice.parse("2")
    assert pickle.loads(pickle.dumps(choice)) == choice
