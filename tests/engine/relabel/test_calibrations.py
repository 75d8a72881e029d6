"""Which calibration applies: the shipped one for the experts that are here, or that of a file."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from engine.core.errors import UsageError
from engine.relabel import calibrations
from engine.relabel.calibrations import PHOTO_FILE, read_calibrations


def ensemble(digests: dict[str, str]) -> Any:
    """Experts for photographs with their digests."""
    names = {"photos": list(digests), "portraits": []}
    return SimpleNamespace(digests=digests, of_domain=names.__getitem__)


def shipped():
    folder = calibrations.files("engine.shipped")
    return json.loads(folder.joinpath(PHOTO_FILE).read_text(encoding="utf-8"))["calibrations"]


def digests(*names):
    whole = max(shipped(), key=lambda one: len(one["experts"]))["experts"]
    return {name: whole[name]["digest"] for name in names}


@pytest.mark.parametrize(
    "names",
    [
        ("age-cc0",),
        ("dlib-age",),
        ("age-cc0", "dlib-age"),
        ("age-cc0", "dlib-age", "face-api"),
        ("age-cc0", "dlib-age", "faceres"),
        ("age-cc0", "dlib-age", "face-api", "faceres"),
    ],
)
def test_each_set_of_experts_has_its_own(names):
    known = read_calibrations("shipped", ensemble(digests(*names)))
    assert set(known) == {"photos"}
    assert set(known["photos"].experts) == set(names)


def test_experts_of_other_weights_or_unknown_ones_have_none():
    assert read_calibrations("shipped", ensemble({"age-cc0": "another"})) == {}
    assert read_calibrations("shipped", ensemble(digests("age-cc0") | {"mivolo": "x"})) == {}
    assert read_calibrations("nano", ensemble(digests("age-cc0"))) == {}
    assert read_calibrations("shipped", ensemble({})) == {}


@pytest.mark.parametrize("content", [b"{}", b"[]", b"nothing", b"\xff\xfe", b'{"calibration": 3}'])
def test_a_file_that_is_no_calibration_is_refused(tmp_path, content):
    file = tmp_path / "calibration.json"
    file.write_bytes(content)
    with pytest.raises(UsageError):
        read_calibrations(str(file), ensemble({}))


def test_a_file_of_several_sets_is_no_calibration_of_one_run(tmp_path):
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps({"calibrations": shipped()}), encoding="utf-8")
    with pytest.raises(UsageError, match="is no calibration"):
        read_calibrations(str(file), ensemble(digests("age-cc0")))
