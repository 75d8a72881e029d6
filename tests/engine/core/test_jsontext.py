"""JSON is written and read in one place: without NaN, with any file name, at any depth."""

import ast
import json
from pathlib import Path

import pytest

from engine.core.jsontext import from_json, to_json

ROOT = Path(__file__).parents[3]
NAN, INF = float("nan"), float("inf")
ONLY = {"engine/core/jsontext.py"}
CHECKED = {
    "engine/scoring/files.py",  # `allow_nan=False`: a report with NaN is our fault
    "engine/landscapes/evaluation/page.py",
    "engine/app/weights.py",  # a digest of the card
    "commands/train.py",  # a TOML string
}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NAN, "null"),
        ([1, -INF, {"a": NAN}], '[1, null, {"a": null}]'),
        ((1.5, INF), "[1.5, null]"),
        ("größe\u2028", '"größe\u2028"'),
        ("\udce9.jpg", '"\\udce9.jpg"'),
        ({"\udce9": NAN}, '{"\\udce9": null}'),
    ],
)
def test_what_is_written_is_json_and_utf8(value, text):
    written = to_json(value)
    assert written == text
    json.loads(written.encode("utf-8"), parse_constant=pytest.fail)


@pytest.mark.parametrize("text", ["", "[" * 100_000, "{", "9" * 5000, b"\xff\xfe", "nan"])
def test_what_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError):
        from_json(text)


def test_numbers_that_are_none_are_read_as_null():
    assert from_json('{"a": NaN, "b": [-Infinity, 1]}') == {"a": None, "b": [None, 1]}


def writes_json(path: Path) -> bool:
    calls = (node.func for node in ast.walk(ast.parse(path.read_text("utf-8")))
             if isinstance(node, ast.Call))  # fmt: skip
    return any(isinstance(f, ast.Attribute) and f.attr in ("dumps", "dump") and
               isinstance(f.value, ast.Name) and f.value.id == "json" for f in calls)  # fmt: skip


def test_json_is_written_by_one_function():
    sources = [p for top in ("engine", "commands") for p in (ROOT / top).rglob("*.py")]
    assert len(sources) > 400
    found = {p.relative_to(ROOT).as_posix() for p in sources if writes_json(p)}
    assert found <= ONLY | CHECKED
