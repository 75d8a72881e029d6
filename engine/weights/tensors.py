"""The safetensors format: read by mapping, written in a stream."""

import hashlib
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.core.atomic import written
from engine.core.errors import WeightsError
from engine.core.jsontext import to_json
from engine.core.regular import open_regular

CODES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def write_safetensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write tensors one after the other, in one step for the reader of `path`.

    Not the library's own writer: that one replaces the file by itself, unsynced and readable by
    its owner alone, and orders the metadata anew in every run. The same input gives the same bytes.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    # Widest first, so that every tensor begins at a multiple of its own width.
    order = sorted(tensors, key=lambda key: (-tensors[key].element_size(), key))
    end = 0
    for key in order:
        tensor = tensors[key]
        if tensor.dtype not in CODES:
            raise WeightsError(f"`{key}` is {tensor.dtype}, which safetensors cannot keep")
        begin, end = end, end + tensor.numel() * tensor.element_size()
        code, shape = CODES[tensor.dtype], list(tensor.shape)
        header[key] = {"dtype": code, "shape": shape, "data_offsets": [begin, end]}
    text = to_json(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with written(path) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for key in order:
            flat = tensors[key].detach().cpu().contiguous().reshape(-1)
            file.write(flat.view(torch.uint8).numpy().data)


def read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of any safetensors file; the tensors are mapped from the disk."""
    with opened_safetensors(path) as file:
        names = file.keys()
        return dict(file.metadata() or {}), {name: file.get_tensor(name) for name in names}


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes, types and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def opened_safetensors(path: Path) -> Any:
    """A safetensors file whose tensors are read one by one; WeightsError if it is damaged."""
    try:
        open_regular(path).close()
        return safe_open(path, framework="pt", device="cpu")
    except SafetensorError as error:
        raise WeightsError(
            f"`{path}` is a damaged safetensors file ({error})", hint="fetch it again"
        ) from None
