"""tfjs files: what was written is read, and nothing hostile gets further than an error."""

import copy
import json

import numpy as np
import pytest
import torch

from engine.core.errors import WeightsError
from engine.weights.formats.tfjs import Named, read_tfjs, tfjs_tensors

SCALE, LOW = 0.0123, -1.5
NUMBERS = np.random.default_rng(0)


def network():
    """A manifest of two groups, the bytes by file, and the tensors that it holds."""
    halves = NUMBERS.normal(size=(3, 3, 4, 2)).astype("<f2")
    full = NUMBERS.normal(size=5).astype("<f4")
    bytes_ = NUMBERS.integers(0, 256, (2, 7)).astype("u1")
    words = NUMBERS.integers(0, 65536, 6).astype("<u2")
    whole = np.array([1, -2], "<i4")
    alone = np.array(6, "<f2")
    quantised = {"scale": SCALE, "min": LOW}
    first = [
        ("conv", halves, "float32", {"dtype": "float16"}),
        ("bias", full, "float32", None),
        ("dense", bytes_, "float32", {"dtype": "uint8", **quantised}),
    ]
    second = [
        ("wide", words, "float32", {"dtype": "uint16", **quantised}),
        ("axes", whole, "int32", None),
        ("six", alone, "float32", {"dtype": "float16", "original_dtype": "float32"}),
    ]
    groups, shards, tensors = [], {}, {}
    for entries, files in ((first, ["a-1.bin", "a-2.bin"]), (second, ["b.bin"])):
        described, raw = [], b""
        for name, array, dtype, quantisation in entries:
            entry = {"name": name, "shape": list(array.shape), "dtype": dtype}
            described.append(entry | ({"quantization": quantisation} if quantisation else {}))
            raw += array.tobytes()
            value = torch.from_numpy(array.astype(np.int32 if dtype == "int32" else np.float32))
            linear = quantisation is not None and "scale" in quantisation
            tensors[name] = value * SCALE + LOW if linear else value
        groups.append({"weights": described, "paths": files})
        middle = len(raw) // 2 if len(files) == 2 else len(raw)
        shards |= dict(zip(files, (raw[:middle], raw[middle:]), strict=False))
    return groups, shards, tensors


GROUPS, SHARDS, TENSORS = network()


def read(groups, shards=None):
    text = groups if isinstance(groups, bytes) else json.dumps(groups).encode()
    held = SHARDS if shards is None else shards

    def shard(name):
        if name not in held:
            raise WeightsError(f"`{name}` is not beside the manifest", hint="fetch it again")
        return held[name]

    return tfjs_tensors(text, shard, name="x.json")


def test_a_manifest_is_read_as_it_was_written(hostile):
    assert hostile.same(read(GROUPS), TENSORS)


def test_a_graph_model_holds_the_same_manifest(hostile):
    model = {"format": "graph-model", "modelTopology": {"node": []}, "weightsManifest": GROUPS}
    assert hostile.same(read(model), TENSORS)


def test_files_are_read_like_their_bytes(tmp_path, hostile):
    (tmp_path / "net.json").write_text(json.dumps(GROUPS))
    for name, raw in SHARDS.items():
        (tmp_path / name).write_bytes(raw)
    assert hostile.same(read_tfjs(tmp_path / "net.json"), TENSORS)
    (tmp_path / "b.bin").unlink()
    with pytest.raises(WeightsError, match="b.bin"):
        read_tfjs(tmp_path / "net.json")


def test_layouts_become_those_of_torch():
    source = Named(TENSORS, net="a test")
    assert source.conv("conv").shape == (2, 4, 3, 3)
    assert torch.equal(source.dense("dense"), TENSORS["dense"].t())
    assert source.vector("six").tolist() == [6]
    with pytest.raises(WeightsError, match="`conv` is missing"):
        source.depthwise("conv")
    with pytest.raises(WeightsError, match=r"`axes` is \(2,\)"):
        source.vector("axes")
    source.drop("bias", "wide")
    source.finish()


def test_a_tensor_that_nobody_took_is_an_error():
    with pytest.raises(WeightsError, match="unexpected `conv`, `bias`"):
        Named(TENSORS, net="a test").finish()


def depthwise_places():
    weight = torch.arange(2 * 3 * 4, dtype=torch.float32).reshape(2, 3, 4, 1)
    return weight, Named({"d": weight}, net="a test").depthwise("d")


def test_a_depthwise_kernel_keeps_rows_and_columns():
    stored, taken = depthwise_places()
    assert taken.shape == (4, 1, 2, 3)
    assert taken[1, 0, 1, 2] == stored[1, 2, 1, 0]


def put(value, *place):
    """A change that sets `value` at a place of the groups."""

    def change(groups):
        holder = groups
        for step in place[:-1]:
            holder = holder[step]
        holder[place[-1]] = value

    return change


def drop(*place):
    def change(groups):
        holder = groups
        for step in place[:-1]:
            holder = holder[step]
        del holder[place[-1]]

    return change


CONV, BIAS, DENSE, WIDE, AXES = (
    (0, "weights", 0), (0, "weights", 1), (0, "weights", 2), (1, "weights", 0), (1, "weights", 1),
)  # fmt: skip
QUANT = (*DENSE, "quantization")
REFUSED = {
    "no group": lambda groups: groups.clear(),
    "a group that is none": put(3, 0),
    "a group as a list": put([], 0),
    "no paths": drop(0, "paths"),
    "paths as text": put("a-1.bin", 0, "paths"),
    "paths as numbers": put([1, 2], 0, "paths"),
    "paths of nothing": put([], 0, "paths"),
    "one path less": put(["a-1.bin"], 0, "paths"),
    "paths turned round and one left out": put(["a-2.bin"], 0, "paths"),
    "a path twice": put(["a-1.bin", "a-2.bin", "a-2.bin"], 0, "paths"),
    "a path elsewhere": put(["../a-1.bin", "a-2.bin"], 0, "paths"),
    "an absolute path": put(["/etc/passwd"], 0, "paths"),
    "a path with a zero": put(["a-1.bin\0", "a-2.bin"], 0, "paths"),
    "an empty path": put([""], 0, "paths"),
    "a path of dots": put([".."], 0, "paths"),
    "a web address": put(["https://example.org/a.bin"], 0, "paths"),
    "a file that is not there": put(["c.bin"], 0, "paths"),
    "many files": put(["a-1.bin"] * 5000, 0, "paths"),
    "no weights": drop(0, "weights"),
    "weights as a table": put({}, 0, "weights"),
    "fewer weights": drop(*DENSE),
    "many weights": lambda groups: groups[0]["weights"].extend(groups[0]["weights"] * 3000),
    "a weight that is none": put("conv", *CONV),
    "a weight of null": put(None, *CONV),
    "no name": drop(*CONV, "name"),
    "an empty name": put("", *CONV, "name"),
    "a number for a name": put(7, *CONV, "name"),
    "an endless name": put("n" * 100_000, *CONV, "name"),
    "a name twice": put("bias", *CONV, "name"),
    "a name twice in two groups": put("bias", *WIDE, "name"),
    "no shape": drop(*CONV, "shape"),
    "shape as text": put("3344", *CONV, "shape"),
    "shape as a number": put(72, *CONV, "shape"),
    "a side of zero": put([0, 3, 4, 2], *CONV, "shape"),
    "a negative side": put([-3, 3, 4, 2], *CONV, "shape"),
    "two negative sides": put([-3, -3, 4, 2], *CONV, "shape"),
    "a side of half": put([3.5, 3, 4, 2], *CONV, "shape"),
    "a side as a float": put([3.0, 3, 4, 2], *CONV, "shape"),
    "a side as text": put(["3", 3, 4, 2], *CONV, "shape"),
    "a side of true": put([True, 72], *CONV, "shape"),
    "a side of null": put([None, 3, 4, 2], *CONV, "shape"),
    "a huge side": put([10**18], *CONV, "shape"),
    "a side beyond all bounds": put([10**400], *CONV, "shape"),
    "huge together": put([1 << 20] * 5, *CONV, "shape"),
    "many sides": put([1] * 4000 + [72], *CONV, "shape"),
    "one row more": put([4, 3, 4, 2], *CONV, "shape"),
    "one row less": put([2, 3, 4, 2], *CONV, "shape"),
    "no type": drop(*BIAS, "dtype"),
    "type unknown": put("float64", *BIAS, "dtype"),
    "type of text": put("string", *BIAS, "dtype"),
    "type complex": put("complex64", *BIAS, "dtype"),
    "type as a list": put(["float32"], *BIAS, "dtype"),
    "type as a number": put(32, *BIAS, "dtype"),
    "quantised integers": put({"dtype": "uint8", "scale": 1, "min": 0}, *AXES, "quantization"),
    "quantisation as text": put("uint8", *QUANT),
    "quantisation empty": put({}, *QUANT),
    "quantisation of no kind": put(None, *QUANT, "dtype"),
    "quantisation unknown": put("int4", *QUANT, "dtype"),
    "quantisation as a list": put(["uint8"], *QUANT, "dtype"),
    "quantisation wider": put("uint16", *QUANT, "dtype"),
    "quantisation to floats": put("float16", *QUANT, "dtype"),
    "no scale": drop(*QUANT, "scale"),
    "no minimum": drop(*QUANT, "min"),
    "scale as text": put("0.1", *QUANT, "scale"),
    "scale of true": put(True, *QUANT, "scale"),
    "scale of null": put(None, *QUANT, "scale"),
    "scale not a number": put(float("nan"), *QUANT, "scale"),
    "endless scale": put(float("inf"), *QUANT, "scale"),
    "endless minimum": put(float("-inf"), *QUANT, "min"),
    "scale beyond floats": put(10**400, *QUANT, "scale"),
    "minimum beyond float32": put(1e300, *QUANT, "min"),
    "an unknown entry": put("exec", *CONV, "loader"),
    "a byte type missing its quantisation": drop(*QUANT),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_a_hostile_manifest_is_refused(case, hostile):
    groups = copy.deepcopy(GROUPS)
    REFUSED[case](groups)
    assert json.dumps(groups) != json.dumps(GROUPS)
    assert hostile.refused(lambda: read(groups))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"{}",
        b"[[]]",
        b'{"weightsManifest": null}',
        b'{"weightsManifest": {}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" + b"{}," * 100 + b"{}]",
        json.dumps(GROUPS).encode() + b"x",
        json.dumps(GROUPS).encode()[:-1],
        json.dumps(GROUPS).encode("utf-16"),
        json.dumps(GROUPS).replace('"shape": [5]', '"shape": [5], "shape": [5]').encode(),
        json.dumps(GROUPS).replace('"shape": [5]', '"shape": [' + "9" * 5000 + "]").encode(),
    ],
)
def test_what_is_no_manifest_is_refused(text, hostile):
    assert hostile.refused(lambda: read(text))


@pytest.mark.parametrize("file", list(SHARDS))
def test_bytes_cut_short_or_lengthened_are_refused(file, hostile):
    raw = SHARDS[file]
    for other in (*hostile.cuts(raw, 12), raw + b"\0", raw * 2):
        assert hostile.refused(lambda other=other: read(GROUPS, SHARDS | {file: other}))


@pytest.mark.parametrize("file", list(SHARDS))
def test_a_flipped_bit_of_the_numbers_changes_one_number_or_is_refused(file, hostile):
    for mutated in hostile.flips(SHARDS[file], 100):
        try:
            read_back = read(GROUPS, SHARDS | {file: mutated})
            assert hostile.alike(read_back, TENSORS, changed=1)
        except WeightsError as error:
            hostile.require_sentence(error)


def test_a_flipped_bit_of_the_manifest_is_refused_or_reads_all_bytes(hostile):
    count = sum(tensor.numel() for tensor in TENSORS.values())
    refusals = 0
    for mutated in hostile.flips(json.dumps(GROUPS).encode(), 300):
        try:
            tensors = read(mutated)
            assert sum(tensor.numel() for tensor in tensors.values()) == count
            assert all(torch.isfinite(tensor.double()).all() for tensor in tensors.values())
        except WeightsError as error:
            hostile.require_sentence(error)
            refusals += 1
    assert refusals > 100


@pytest.mark.parametrize("number", [b"\x00\x7c", b"\x00\xfc", b"\x01\x7e"])
def test_numbers_that_are_not_finite_are_refused(number, hostile):
    mutated = SHARDS | {"a-1.bin": number + SHARDS["a-1.bin"][2:]}
    assert hostile.refused(lambda: read(GROUPS, mutated))
