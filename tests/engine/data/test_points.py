import json
from pathlib import Path

import numpy as np
import pytest

from engine.core.errors import UsageError
from engine.data.faces import FaceSource
from engine.data.points import holds_points, points_of, read_points
from engine.faces.detect import Detection
from engine.worlds.portraits import identity, render, scene

POINTS = [[float(n), float(2 * n)] for n in range(68)]


def test_a_list_of_points_is_no_model():
    assert holds_points(Path("a.json"))
    assert holds_points(Path("manifest.JSONL"))
    assert not holds_points(Path("shape_predictor.dat"))
    assert not holds_points(None)


@pytest.mark.parametrize("entry", [POINTS, {"landmarks": POINTS, "faces": 1}])
def test_points_are_read_with_and_without_a_table_around_them(tmp_path, entry):
    path = tmp_path / "points.json"
    path.write_text(json.dumps({"a.jpg": entry}))
    assert np.array_equal(read_points(path)["a.jpg"], np.array(POINTS, np.float32))


def test_five_points_and_boxes_are_read_too(tmp_path):
    path = tmp_path / "points.json"
    path.write_text(json.dumps({"a.jpg": POINTS[:5], "b.jpg": {"box": [1, 2, 30, 40]}}))
    read = read_points(path)
    assert read["a.jpg"].shape == (5, 2)
    assert read["b.jpg"].tolist() == [[1, 2], [30, 40]]


def test_the_face_is_fitted_in_a_box_or_around_five_points(tmp_path):
    person = render(identity(900_020), 40, scene(1), 256)
    truth = np.asarray(person.landmarks)
    five = [truth[36:42].mean(0), truth[42:48].mean(0), truth[30], truth[48], truth[54]]
    (left, top), (right, bottom) = truth.min(0), truth.max(0)
    entries = {
        "five.png": np.asarray(five).tolist(),
        "box.png": {"box": [float(left), float(top), float(right), float(bottom)]},
    }
    path = tmp_path / "points.json"
    path.write_text(json.dumps(entries))
    source = FaceSource.of(Detection(), path)
    eyes = np.linalg.norm(five[1] - five[0])
    for name in entries:
        (face,) = source.search(Path(name), person.picture, every=False).faces
        off = np.linalg.norm(face.landmarks - truth, axis=1).mean() / eyes
        assert off < 0.15, name


def test_a_manifest_holds_points_too(tmp_path):
    path = tmp_path / "manifest.jsonl"
    rows = [{"source": None, "output": "0/1.png", "landmarks": POINTS}, {"source": "x"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert list(read_points(path)) == ["0/1.png"]


def test_a_photo_is_known_by_the_end_of_its_path():
    known = {"0/1.png": np.zeros((68, 2), np.float32)}
    assert points_of(Path("some/folder/0/1.png"), known) is not None
    assert points_of(Path("some/folder/1/1.png"), known) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "does not list points"),
        ("{", "cannot be read"),
        (json.dumps({"a.jpg": {"box": [9, 2, 3, 4]}}), "has no area"),
        (json.dumps({"a.jpg": {"box": [1, 2, 3]}}), "are not 68 pairs"),
        (json.dumps({"a.jpg": POINTS[:67]}), "of `a.jpg` .* are not 68 pairs"),
        (json.dumps({"a.jpg": {"landmarks": None}}), "are not 68 pairs"),
        (json.dumps({"a.jpg": [["x", 1.0]] * 68}), "are not 68 pairs"),
    ],
)
def test_faulty_points_are_refused(tmp_path, text, words):
    path = tmp_path / "points.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        read_points(path)
