import json
from pathlib import Path

import numpy as np
import pytest

from engine.core.errors import UsageError
from engine.data.points import holds_points, points_of, read_points

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
