"""Rows of manifests that somebody else wrote: every value of another type or size is named."""

import json

import pytest

from engine.core.errors import UsageError
from engine.data.manifest import MANIFEST, ledger_of, read_manifest

GOOD = {"output": "a.png", "status": "done", "age": 30, "sha256": "00"}
LINE = [[0, 0], [5, 5], [9, 9], [20, 20]]
BAD = {
    "output": [5, "", "\0", "x" * 5000, [], None],
    "source": [5, "\0", []],
    "age": ["x", -5, 1e308, 10**400, [], 130],
    "status": ["x", 5, None],
    "box": [5, [1], [None] * 4, ["x"] * 4, [9, 9, 9, 9], [0, 5, 40, 5]],
    "quad": [
        [],
        [[0, 0]] * 3,
        [[1e308, 0]] * 4,
        [["x", 0]] * 4,
        [[7, 7]] * 4,
        [[0, 0], [5, 5], [9, 9], [20, 20]],
    ],
    "landmarks": [[], [[0]] * 68, [[1e308, -1e308]] * 68, [[0, 0]] * 5, [[3, 3]] * 68],
    "dhash": ["zz", "", 5, "f" * 400, "0x12345678901234"],
    "descriptor": [[], [1], ["x"] * 128],
    "scores": [5, {"blur": "x"}],
    "person": [5],
    "split": ["x", 5],
    "verdict": ["x"],
    "truth": [5],
    "photo_size": [[0, 0], [-1, -1], [1]],
    "taken": ["x", "9999-99-99"],
}


@pytest.mark.parametrize(("key", "value"), [(k, v) for k, values in BAD.items() for v in values])
def test_a_faulty_value_is_named(tmp_path, key, value):
    (tmp_path / MANIFEST).write_text(json.dumps({**GOOD, key: value}) + "\n")
    for read in (read_manifest, ledger_of):
        with pytest.raises(UsageError, match="is damaged|not JSON"):
            read(tmp_path)


@pytest.mark.parametrize("line", ["null", "[]", "5", "{", "[" * 99_999, "9" * 5000, "\ufffd"])
def test_a_line_that_is_no_row_is_named(tmp_path, line):
    (tmp_path / MANIFEST).write_text(f"{json.dumps(GOOD)}\n{line}\n")
    with pytest.raises(UsageError, match="line 2 of"):
        read_manifest(tmp_path)
