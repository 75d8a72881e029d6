"""The caption cache: two files that belong together."""

import json

import pytest
import torch

from engine.core.errors import UsageError
from engine.data.captions import Caption, Captions, Maker, joined, read_captions, read_maker
from engine.weights.tensors import read_safetensors

MAKER = Maker("tiny", "r1", "p1", "s1", 2)


def cache(*names, maker=MAKER, first=0.0):
    captions = tuple(Caption(n, f"sha of {n}", f"{n}, über 30\u2028", "30") for n in names)
    rows = first + torch.arange(len(names) * 2.0).view(-1, 2).half()
    return Captions(maker, captions, rows, -rows)


def test_a_cache_survives_its_files(tmp_path):
    cache("a", "b/c").save(tmp_path)
    again = read_captions(tmp_path)
    assert again.captions == cache("a", "b/c").captions
    assert again.maker == read_maker(tmp_path) == MAKER
    assert torch.equal(again.image, cache("a", "b/c").image)
    assert torch.equal(again.text, -again.image)
    assert again.rows == {"sha of a": 0, "sha of b/c": 1}


def test_the_files_have_their_documented_keys(tmp_path):
    cache("a", "b").save(tmp_path)
    lines = (tmp_path / "index.jsonl").read_text(encoding="utf-8").split("\n")
    assert [json.loads(line)["row"] for line in lines if line] == [0, 1]
    assert set(json.loads(lines[0])) == {
        "image_id", "sha256", "model_id", "prompt_id", "caption", "age_text", "row",
    }  # fmt: skip
    header, tensors = read_safetensors(tmp_path / "embeddings.safetensors")
    assert header | {"revision": "r1", "preprocessing": "s1", "d": "2"} == header
    assert {key: (value.dtype, tuple(value.shape)) for key, value in tensors.items()} == {
        "image": (torch.float16, (2, 2)),
        "text": (torch.float16, (2, 2)),
    }


def test_an_index_that_is_not_the_embeddings_own_is_refused(tmp_path):
    cache("a", "b").save(tmp_path)
    old = (tmp_path / "index.jsonl").read_bytes()
    cache("a", "c").save(tmp_path)
    (tmp_path / "index.jsonl").write_bytes(old)
    with pytest.raises(UsageError, match="do not belong together"):
        read_captions(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path):
    for read in (read_captions, read_maker):
        with pytest.raises(UsageError, match="cannot be read as captions"):
            read(tmp_path / "nowhere")
    (tmp_path / "embeddings.safetensors").write_bytes(b"\x01" * 40)
    with pytest.raises(UsageError, match="cannot be read as captions"):
        read_captions(tmp_path)


def test_parts_are_joined_in_the_order_of_names_and_the_last_counts():
    whole = joined([cache("c", "a"), cache("b", "c", first=10)], MAKER)
    assert [one.image_id for one in whole.captions] == ["a", "b", "c"]
    assert whole.image[:, 0].tolist() == [2, 10, 12]
    assert joined([], MAKER).image.shape == (0, 2)


def test_makers_differ_in_what_is_named():
    other = Maker("tiny", "r2", "p1", "s1", 4)
    assert MAKER.differs(MAKER) == ""
    assert MAKER.differs(other) == "revision `r2`, not `r1`, d `4`, not `2`"
    assert Maker.of(other.facts()) == other
