"""Headers of files of our own format, tampered with value by value: one sentence each."""

import json

import pytest
import torch

from engine.core.errors import WeightsError
from engine.weights.load import read_checkpoint
from engine.weights.native import HEADER
from engine.weights.tensors import write_safetensors

GOOD = {"schema": 1, "kind": "native", "parts": ["net"], "step": 3, "ema": False, "facts": {},
        "card": {}, "halved": [], "tied": {}}  # fmt: skip
BAD = {
    "kind": [5, None, []],
    "parts": [None, 5, "net", [5], ["other"], [], {"net": 1}],
    "step": ["x", 1.5, []],
    "ema": ["yes", 2, None],
    "facts": [None, [], 5, {"bare": True}],
    "card": [None, [], "x"],
    "halved": ["net/w", [5], ["net/none"]],
    "tied": [[], {"net/a": 5}, {"net/a": "net/none"}],
}


def written(path, header):
    text = header if isinstance(header, str) else json.dumps(header)
    write_safetensors(path, {"net/w": torch.ones(2)}, {HEADER: text})
    return path


@pytest.mark.parametrize(("key", "value"), [(k, v) for k, values in BAD.items() for v in values])
def test_a_value_of_another_type_is_a_sentence(tmp_path, key, value):
    assert read_checkpoint(written(tmp_path / "a.safetensors", GOOD)).step == 3
    path = written(tmp_path / "b.safetensors", {**GOOD, key: value})
    if (key, value) == ("facts", {"bare": True}):  # the part keeps its keys as they are
        assert list(read_checkpoint(path).part("net")) == ["net/w"]
        return
    with pytest.raises(WeightsError, match=r"b\.safetensors"):
        read_checkpoint(path)


@pytest.mark.parametrize("header", ["", "null", "[]", "5", "{", "[" * 9999, "{}", '{"schema": []}'])
def test_a_header_that_is_none_is_a_sentence(tmp_path, header):
    with pytest.raises(WeightsError, match=r"a\.safetensors"):
        read_checkpoint(written(tmp_path / "a.safetensors", header))


@pytest.mark.parametrize(
    "entry", ["[1,2]", "null", "7", '{"data_offsets":"04"}', '{"data_offsets":[0]}',
              '{"data_offsets":[0,null]}', '{"data_offsets":[0,4.0]}', '{"data_offsets":[0,true]}']
)  # fmt: skip
def test_where_tensors_lie_is_read_by_type(tmp_path, entry):
    text = f'{{"a":{entry}}}'.encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    with pytest.raises(WeightsError, match="cut short|damaged|incomplete|bytes"):
        read_checkpoint(path)
