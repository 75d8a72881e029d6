"""Weights files that hold code, lies and bombs: exit 4, and no code runs."""

import argparse
import io
import json
import os
import pickle
import struct
import zipfile

import pytest
import torch

FEW = 6
ONE = torch.zeros(1)


class Code:
    """Pickled as a call."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def zipped(content, *extra):
    """The container that torch writes, around any pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (("archive/data.pkl", content), ("archive/version", b"3\n"), *extra):
            archive.writestr(name, data)
    return file.getvalue()


def legacy(content):
    """The older container."""
    magic = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True})
    return b"".join(pickle.dumps(one, 2) for one in magic) + content + pickle.dumps([], 2)


def programs(canary):
    """Pickles that would touch the canary, or take all memory."""
    command = f"touch {canary}"
    text = b"X" + struct.pack("<I", len(command)) + command.encode()
    return {
        "call": pickle.dumps(Code(os.system, command), 2),
        "call inside": pickle.dumps({"state_dict": {"encoder.x": Code(os.system, command)}}, 2),
        "exec": pickle.dumps(Code(exec, f"open({str(canary)!r},'w')"), 2),
        "inst": b"(S'" + command.encode() + b"'\nios\nsystem\n.",
        "obj": b"(cos\nsystem\n" + text + b"o.",
        "newobj": b"\x80\x02cos\nsystem\n" + text + b"\x85\x81.",
        "setstate": b"\x80\x02cargparse\nNamespace\n)\x81}X\x0c\0\0\0__setstate__cos\nsystem\nsb"
        + text + b"b.",
        "through torch": b"\x80\x02ctorch.serialization\nos.system\n" + text + b"\x85R.",
        "object array": b"\x80\x02cnumpy\ndtype\nX\x01\0\0\0O\x85R.",
        "long": b"\x80\x02\x8b\xff\xff\xff\x7f" + b"\xff" * 100 + b".",
        "string": b"\x80\x02X\xff\xff\xff\x7fabc.",
        "memo": b"\x80\x02r\xff\xff\xff\x7fK\1.",
        "deep": b"\x80\x02)" + b"\x85" * 300_000 + b".",
        "cycle": b"\x80\x02}q\0X\x0a\0\0\0state_dicth\0s.",
        "nothing": b"\x80\x02.",
    }  # fmt: skip


def states():
    """Contents that torch saves, and that are no network."""
    nested, style = {}, {"style.1.weight": ONE}
    nested["state_dict"] = nested
    whole = {"encoder.a": ONE, "decoder.b": ONE}
    return {
        "stride 0": {"state_dict": whole | {"decoder.convs.0.w": ONE.expand(10**5, 10**5)}},
        "stride 0 latent": {"state_dict": whole, "latent_avg": ONE.expand(10**7, 512)},
        "many keys": {"state_dict": {f"encoder.k{n}": ONE for n in range(20_000)}},
        "many layers": {"g_ema": {f"convs.{n}.w": ONE for n in range(3000)} | style},
        "long number": {"state_dict": whole | {"decoder.convs." + "9" * 5000 + ".weight": ONE}},
        "strange keys": {1: ONE, None: ONE, (1, 2): ONE, b"x": ONE},
        "in itself": nested,
        "namespace": argparse.Namespace(state_dict=whole, latent_avg="x"),
        "list": [ONE],
        "none": None,
        "empty": {},
        "sparse": {"state_dict": whole | {"encoder.a": torch.empty(10**6).to_sparse()}},
        "complex": {"state_dict": whole | {"encoder.a": ONE.to(torch.complex64)}},
        "meta": {"state_dict": whole | {"encoder.a": torch.empty(10**12, device="meta")}},
        "not finite": {"g_ema": {"convs.0.w": ONE * torch.nan, "style.1.weight": ONE}},
        "markup": {"[red]\x1b[31mkey[/]": ONE, "\x1b]0;owned\x07": ONE},
        "averages": {"state_dict": whole, "ema": {"decoder": {"decay": torch.inf, "shadow": 5}}},
        "bank": {"bins": {"0-5": ONE.expand(3, 512) * torch.nan}, "ages": {"0-5": torch.ones(3)}},
    }  # fmt: skip


def headers():
    """safetensors headers: text, and the bytes behind it."""
    good = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    changes = {
        "offset": {"data_offsets": [0, 2**62]}, "negative": {"data_offsets": [-4, 0]},
        "swapped": {"data_offsets": [4, 0]}, "shape": {"shape": [2**40, 2**40]},
        "dtype": {"dtype": "F99"}, "wider": {"dtype": "F64"}, "text": {"data_offsets": "04"},
        "null": {"data_offsets": [0, None]}, "short": {"data_offsets": [0]},
    }  # fmt: skip
    made = {name: json.dumps({"a": good | one}).encode() for name, one in changes.items()}
    made |= {
        "overlap": json.dumps({"a": good, "b": good}).encode(),
        "deep": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "digits": b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,' + b"9" * 5000 + b"]}}",
        "not a number": b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,NaN]}}',
        "bytes": b'{"\xff\xfe":1}',
        "surrogate": b'{"\\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        "metadata": b'{"__metadata__":[1]}',
        "list": b'{"a":[1,2]}',
        "empty": b"{}",
        "markup": json.dumps({"[red]\x1b[31m": good}).encode(),
        "ours": json.dumps({"__metadata__": {"tm": "[" * 9000}, "a": good}).encode(),
        "ours of other types": json.dumps({"__metadata__": {"tm": '{"kind":[]}'}}).encode(),
    }
    return made


def files(canary, bomb):
    """File name to content; bomb: bytes that a small file unpacks to."""
    made = {}
    for name, program in programs(canary).items():
        made[f"zip {name}.pt"], made[f"legacy {name}.pt"] = zipped(program), legacy(program)
    good = pickle.dumps({"a": 1}, 2)
    made["traversal.pt"] = zipped(good, ("../../../escaped", b"x"))
    made["bomb.pt"] = zipped(good, ("archive/data/0", bytes(bomb)))
    made["cut.pt"] = zipped(good)[:-40]
    made["other.safetensors"] = legacy(programs(canary)["call"])
    for name, state in states().items():
        file = io.BytesIO()
        torch.save(state, file)
        made[f"{name}.pt"] = file.getvalue()
    for name, text in headers().items():
        made[f"{name}.safetensors"] = struct.pack("<Q", len(text)) + text + bytes(4)
    made["length.safetensors"] = struct.pack("<Q", 2**63) + b"{}"
    return made


@pytest.mark.parametrize("command", ["import", "infer", "gan", "bank"])
def test_weights(attack, tm, tmp_path, command):
    canary = tmp_path / "canary"
    contents = files(canary, bomb=20 << 20 if attack.few else 200 << 20)
    for name in attack.chosen(contents, FEW):
        file = tmp_path / name
        file.write_bytes(contents[name])
        argv = {
            "import": ("weights", "import", file, "--name", "x", "--dry-run"),
            "infer": ("infer", tmp_path, "--ages", 30, "--weights", file, "--out", tmp_path / "o"),
            "gan": ("gan", "--weights", file, "--va", "0.5,0.5", "--out", tmp_path / "g.png"),
            "bank": ("bank", "info", file),
        }[command]
        ran = ["its code ran"] if canary.exists() else []
        result = tm(*argv)
        ran = ["its code ran"] if canary.exists() else ran
        attack.told(f"{command} {name}", result, allowed={2, 3, 4}, also=ran)
        canary.unlink(missing_ok=True)
        file.unlink()
