"""Our own weights files: safetensors with a card in the header, read without copying."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, cast

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import Tensor
from typing_extensions import TypedDict

from engine.core.errors import WeightsError
from engine.core.jsontext import from_json, to_json
from engine.weights.checkpoint import Checkpoint, StateDict
from engine.weights.signature import form_of
from engine.weights.tensors import opened_safetensors, read_safetensors, write_safetensors

HEADER = "tm"
SCHEMA = 1
LATENT = "latent_avg"
SEPARATOR = "/"
BARE = "bare"
"""A fact: the file's one part keeps its own keys, so that other software reads it too."""
MIN_TIED = 4096
"""Numbers from which equal tensors are looked for."""


class Header(TypedDict):
    """The JSON in the header of a file of ours."""

    __pydantic_config__ = ConfigDict(strict=True)  # pyright: ignore

    schema: int
    kind: str
    parts: list[str]
    step: int | None
    ema: bool
    facts: dict[str, Any]
    card: dict[str, Any]
    halved: NotRequired[list[str]]
    tied: NotRequired[dict[str, str]]


REQUIRED = ("kind", "parts", "step", "ema", "facts", "card")
HEADERS = TypeAdapter(Header)


def save_native(path: Path, checkpoint: Checkpoint, *, half: bool = False) -> None:
    """Write a checkpoint in one step: parts under `part/key`, the rest as JSON in the header.

    Dtypes are kept; `half` stores float32 matrices and kernels as float16, and reading gives them
    back as float32. Equal tensors of several parts are stored once. `raw` is not kept: a file holds
    the weights that are used.
    """
    tensors: dict[str, Tensor] = {}
    bare = bool(checkpoint.facts.get(BARE))
    if bare and len(checkpoint.parts) != 1:
        raise ValueError("only a single part may keep its own keys")
    for name, state in checkpoint.parts.items():
        if SEPARATOR in name or name == LATENT:
            raise ValueError(f"a part cannot be called {name!r}")
        before = "" if bare else f"{name}{SEPARATOR}"
        tensors |= {f"{before}{key}": tensor for key, tensor in state.items()}
    if checkpoint.latent_avg is not None:
        tensors[LATENT] = checkpoint.latent_avg
    halved = sorted(key for key, tensor in tensors.items() if half and _is_matrix(tensor))
    tensors |= {key: tensors[key].half() for key in halved}
    tied = _ties(tensors)
    tensors = {key: tensor for key, tensor in tensors.items() if key not in tied}
    header = {
        "schema": SCHEMA,
        "kind": checkpoint.kind,
        "parts": list(checkpoint.parts),
        "step": checkpoint.step,
        "ema": checkpoint.ema,
        "facts": dict(checkpoint.facts),
        "card": dict(checkpoint.card),
        "halved": halved,
        "tied": tied,
    }
    text = to_json(header)
    write_safetensors(path, tensors, {"format": "pt", HEADER: text})


def read_native(path: Path) -> Checkpoint | None:
    """Read a file of ours; None if the safetensors file is someone else's."""
    metadata, tensors = read_safetensors(path)
    if HEADER not in metadata:
        return None
    header = _header(path, metadata[HEADER])
    parts: dict[str, dict[str, Tensor]] = {name: {} for name in header["parts"]}
    strange: list[str] = []
    try:
        tensors |= {key: tensors[same] for key, same in header.get("tied", {}).items()}
        tensors |= {key: tensors[key].float() for key in header.get("halved", ())}
    except KeyError as error:
        raise WeightsError(f"`{path}` lacks {error}", hint="get the file again") from None
    if header["facts"].get(BARE) and not parts:
        raise WeightsError(f"`{path}` names no part", hint="get the file again")
    before = f"{header['parts'][0]}{SEPARATOR}" if header["facts"].get(BARE) else ""
    for key, tensor in tensors.items():
        part, _, rest = f"{before}{key}".partition(SEPARATOR)
        if part in parts:
            parts[part][rest] = tensor
        elif key != LATENT:
            strange.append(key)
    empty = [name for name, state in parts.items() if not state]
    if strange or empty:
        raise WeightsError(
            f"`{path}` does not hold the parts its header names: "
            f"{', '.join(empty) or 'none'} missing, {', '.join(strange[:8]) or 'none'} unexpected",
            hint="get the file again, or import the original anew",
        )
    return Checkpoint(
        kind=header["kind"],
        parts=cast("Mapping[str, StateDict]", parts),
        latent_avg=tensors.get(LATENT),
        step=header["step"],
        ema=header["ema"],
        facts=header["facts"],
        card=header["card"],
    )


def is_native(path: Path) -> bool:
    """Whether a file is of our own format."""
    if form_of(path) != "safetensors":
        return False
    with opened_safetensors(path) as file:
        return HEADER in (file.metadata() or {})


def read_card(path: Path) -> dict[str, Any]:
    """The header of a file of ours without its tensors: `kind`, `parts`, `facts`, `card`."""
    with opened_safetensors(path) as file:
        metadata = file.metadata() or {}
    if HEADER not in metadata:
        raise WeightsError(f"`{path}` is not a file of our own format")
    return _header(path, metadata[HEADER])


def _ties(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Keys whose tensors equal that of another key, and that key; small ones are not worth it."""
    first: dict[str, str] = {}
    tied: dict[str, str] = {}
    for key in sorted(tensors):
        tensor = tensors[key].detach().cpu().contiguous()
        if tensor.numel() < MIN_TIED:
            continue
        content = hashlib.sha256(tensor.reshape(-1).view(torch.uint8).numpy().data).hexdigest()
        identity = f"{content} {tensor.dtype} {tuple(tensor.shape)}"
        if identity in first:
            tied[key] = first[identity]
        first.setdefault(identity, key)
    return tied


def _is_matrix(tensor: Tensor) -> bool:
    """Whether a tensor is worth halving: means, variances and biases are few and want digits."""
    return tensor.dtype == torch.float32 and tensor.dim() >= 2


def _header(path: Path, text: str) -> dict[str, Any]:
    """The JSON of our header, complete and of a layout that this version reads."""
    try:
        header = from_json(text)
        schema = header["schema"]
    except (ValueError, KeyError, TypeError):
        raise WeightsError(
            f"the header of `{path}` is damaged", hint="get the file again"
        ) from None
    if schema != SCHEMA:
        raise WeightsError(
            f"`{path}` has layout {schema} of our own format, not {SCHEMA}",
            hint="use the version of tm that wrote it, or a newer one",
        )
    absent = [key for key in REQUIRED if key not in header]
    if absent:
        raise WeightsError(f"the header of `{path}` lacks {', '.join(absent)}")
    try:
        return cast("dict[str, Any]", HEADERS.validate_python(header))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise WeightsError(
            f"the header of `{path}` is damaged: {where}: {fault['msg']}", hint="get the file again"
        ) from None
