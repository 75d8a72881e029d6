"""TensorFlow.js weights: a JSON manifest of names, shapes and quantisations beside raw bytes.

Read are the two forms in which networks for faces are published: a list of groups
(`*-weights_manifest.json`) and a graph model whose `weightsManifest` is such a list. The graph is
not run; `Named` turns TensorFlow's layouts into those of torch.
"""

import json
import re
from collections.abc import Callable, Mapping
from math import isfinite, prod
from pathlib import Path
from typing import Any, NoReturn

from torch import Tensor

from engine.core.errors import WeightsError
from engine.weights.formats.cursor import Cursor, file_bytes, malformed

LARGEST_MANIFEST, LARGEST_SHARD = 1 << 23, 1 << 27
MOST_TENSORS, MOST_SHARDS, MOST_DIMENSIONS, LONGEST_SIDE = 4096, 16, 6, 1 << 24
SHARD = re.compile(r"[A-Za-z0-9][\w.+-]{0,120}")
PLAIN = {"float32": "f4", "int32": "i4"}
QUANTISED = {"uint8": "u1", "uint16": "u2"}

Shard = Callable[[str], bytes]
"""Gives the bytes of a file that the manifest names."""


def read_tfjs(manifest: Path) -> dict[str, Tensor]:
    """The tensors of a manifest, whose raw bytes must lie in the same folder."""
    text = file_bytes(manifest, LARGEST_MANIFEST)
    return tfjs_tensors(
        text,
        lambda shard: file_bytes(manifest.with_name(shard), LARGEST_SHARD),
        name=str(manifest),
    )


def tfjs_tensors(manifest: bytes, shard: Shard, *, name: str) -> dict[str, Tensor]:
    """Every tensor under its TensorFlow name, in TensorFlow's layout.

    uint8 and uint16 become `number * scale + min`, float16 becomes float32, int32 stays. The bytes
    must end with the last tensor. WeightsError for anything else.
    """
    tensors: dict[str, Tensor] = {}
    for group in _groups(manifest, name):
        paths, entries = _list(group, "paths", name), _list(group, "weights", name)
        if len(paths) > MOST_SHARDS or len(tensors) + len(entries) > MOST_TENSORS:
            raise malformed(name, "names more files or tensors than any known network has")
        if not all(isinstance(path, str) and SHARD.fullmatch(path) for path in paths):
            raise malformed(name, "names files that are not plain names beside it")
        cursor = Cursor(b"".join(shard(path) for path in paths), name)
        for entry in entries:
            key, tensor = _tensor(entry, cursor)
            if key in tensors:
                raise malformed(name, f"holds `{key[:80]}` twice")
            tensors[key] = tensor
        cursor.finish()
    return tensors


class Named:
    """Tensors by TensorFlow's names, taken one by one in torch's layout; each may be taken once."""

    def __init__(self, tensors: Mapping[str, Tensor], *, net: str) -> None:
        self.tensors = dict(tensors)
        self.net = net

    def conv(self, key: str) -> Tensor:
        """A convolution, HWIO to OIHW."""
        return self._taken(key, 4).permute(3, 2, 0, 1).contiguous()

    def depthwise(self, key: str) -> Tensor:
        """A depthwise convolution (h, w, channels, 1) to (channels, 1, h, w)."""
        return self._taken(key, 4).permute(2, 3, 0, 1).contiguous()

    def dense(self, key: str) -> Tensor:
        """A matrix (in, out) to (out, in)."""
        return self._taken(key, 2).t().contiguous()

    def vector(self, key: str) -> Tensor:
        """Biases, scales or slopes as one row of numbers, whatever ones their shape has."""
        tensor = self._taken(key, None)
        if tensor.numel() != max(tensor.shape, default=1):
            raise self._other(key, tensor)
        return tensor.reshape(-1)

    def drop(self, *prefixes: str) -> None:
        """Leave out the tensors of a part that is not wanted."""
        self.tensors = {k: t for k, t in self.tensors.items() if not k.startswith(prefixes)}

    def finish(self) -> None:
        """WeightsError if tensors are left: then it is another network."""
        if self.tensors:
            left = ", ".join(f"`{key[:60]}`" for key in list(self.tensors)[:4])
            raise WeightsError(
                f"these weights are not those of {self.net}: unexpected {left}",
                hint="check that the file is complete and of this network",
            )

    def _taken(self, key: str, dimensions: int | None) -> Tensor:
        if key not in self.tensors:
            raise WeightsError(
                f"these weights are not those of {self.net}: `{key}` is missing",
                hint="check that the file is complete and of this network",
            )
        tensor = self.tensors.pop(key)
        if not tensor.is_floating_point() or dimensions not in (None, tensor.dim()):
            raise self._other(key, tensor)
        return tensor

    def _other(self, key: str, tensor: Tensor) -> WeightsError:
        return WeightsError(
            f"these weights are not those of {self.net}: `{key}` is {tuple(tensor.shape)}",
            hint="check that the file is complete and of this network",
        )


def _groups(manifest: bytes, name: str) -> list[Any]:
    """The groups of a manifest, whichever of the two forms it has."""
    try:
        content = json.loads(
            manifest.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number
        )
    except (ValueError, RecursionError):
        raise malformed(name, "is no JSON that can be read") from None
    groups = content.get("weightsManifest") if isinstance(content, dict) else content
    if not isinstance(groups, list) or not 0 < len(groups) <= MOST_SHARDS:
        raise malformed(name, "holds no manifest of weights")
    return groups


def _tensor(entry: Any, cursor: Cursor) -> tuple[str, Tensor]:
    """The name of a manifest's entry and its numbers, taken from the bytes."""
    key = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(key, str) or not 0 < len(key) <= 256:
        raise cursor.fault("holds a tensor without a name")
    what = f"`{key[:80]}`"
    unknown = set(entry) - {"name", "shape", "dtype", "quantization"}
    if unknown:
        raise cursor.fault(f"has an entry `{min(unknown)[:40]}` for {what}, which is not read here")
    shape = _list(entry, "shape", cursor.name)
    sides_right = all(type(side) is int and 0 < side <= LONGEST_SIDE for side in shape)
    if len(shape) > MOST_DIMENSIONS or not sides_right or prod(shape) > LARGEST_SHARD:
        raise cursor.fault(f"gives {what} a shape that no tensor has")
    dtype, quantised = entry.get("dtype"), entry.get("quantization")
    if not isinstance(dtype, str) or dtype not in PLAIN:
        raise cursor.fault(f"keeps {what} in a type that is not read here")
    if quantised is None:
        return key, cursor.tensor(shape, PLAIN[dtype], what)
    kind = quantised.get("dtype") if isinstance(quantised, dict) else None
    if dtype != "float32" or not isinstance(kind, str):
        raise cursor.fault(f"quantises {what} in a way that is not read here")
    if kind == "float16":
        return key, cursor.tensor(shape, "f2", what)
    if kind not in QUANTISED:
        raise cursor.fault(f"quantises {what} in a way that is not read here")
    scale, low = _real(quantised, "scale"), _real(quantised, "min")
    if scale is None or low is None:
        raise cursor.fault(f"lacks a finite scale and minimum of {what}")
    return key, cursor.tensor(shape, QUANTISED[kind], what).float() * scale + low


def _list(table: Any, key: str, name: str) -> list[Any]:
    values = table.get(key) if isinstance(table, dict) else None
    if not isinstance(values, list):
        raise malformed(name, f"lacks a list of `{key}`")
    return values


def _real(table: dict[str, Any], key: str) -> float | None:
    """A finite number that float32 can hold, or None."""
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e30 and isfinite(value) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; two equal keys are an error, for readers disagree on which counts."""
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("two equal keys")
    return table


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
