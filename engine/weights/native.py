"""Our own weights files: safetensors with a card in the header, read without copying."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from engine.core.errors import WeightsError
from engine.weights.checkpoint import Checkpoint, StateDict
from engine.weights.signature import form_of
from engine.weights.tensors import opened_safetensors, read_safetensors, write_safetensors

HEADER = "tm"
SCHEMA = 1
LATENT = "latent_avg"
BETWEEN = "/"
BARE = "bare"
"""A fact: the file's one part keeps its own keys, so that other software reads it too."""
WORTH_TYING = 4096
"""Numbers from which equal tensors are looked for."""
TOLD = ("kind", "parts", "step", "ema", "facts", "card")


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
        if BETWEEN in name or name == LATENT:
            raise ValueError(f"a part cannot be called {name!r}")
        before = "" if bare else f"{name}{BETWEEN}"
        tensors |= {f"{before}{key}": tensor for key, tensor in state.items()}
    if checkpoint.latent_avg is not None:
        tensors[LATENT] = checkpoint.latent_avg
    halved = sorted(key for key, tensor in tensors.items() if half and _wide(tensor))
    tensors |= {key: tensors[key].half() for key in halved}
    tied = _ties(tensors)
    tensors = {key: tensor for key, tensor in tensors.items() if key not in tied}
    told = {
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
    text = json.dumps(told, ensure_ascii=False)
    write_safetensors(path, tensors, {"format": "pt", HEADER: text})


def read_native(path: Path) -> Checkpoint | None:
    """Read a file of ours; None if the safetensors file is someone else's."""
    header, tensors = read_safetensors(path)
    if HEADER not in header:
        return None
    told = _told(path, header[HEADER])
    parts: dict[str, dict[str, Tensor]] = {name: {} for name in told["parts"]}
    strange: list[str] = []
    for key, same in told.get("tied", {}).items():
        tensors[key] = tensors[same]
    for key in told.get("halved", ()):
        tensors[key] = tensors[key].float()
    before = f"{told['parts'][0]}{BETWEEN}" if told["facts"].get(BARE) else ""
    for key, tensor in tensors.items():
        part, _, rest = f"{before}{key}".partition(BETWEEN)
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
        kind=told["kind"],
        parts=cast("Mapping[str, StateDict]", parts),
        latent_avg=tensors.get(LATENT),
        step=told["step"],
        ema=told["ema"],
        facts=told["facts"],
        card=told["card"],
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
        header = file.metadata() or {}
    if HEADER not in header:
        raise WeightsError(f"`{path}` is not a file of our own format")
    return _told(path, header[HEADER])


def _ties(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Keys whose tensors equal that of another key, and that key; small ones are not worth it."""
    first: dict[str, str] = {}
    tied: dict[str, str] = {}
    for key in sorted(tensors):
        tensor = tensors[key].detach().cpu().contiguous()
        if tensor.numel() < WORTH_TYING:
            continue
        content = hashlib.sha256(tensor.reshape(-1).view(torch.uint8).numpy().data).hexdigest()
        told = f"{content} {tensor.dtype} {tuple(tensor.shape)}"
        if told in first:
            tied[key] = first[told]
        first.setdefault(told, key)
    return tied


def _wide(tensor: Tensor) -> bool:
    """Whether a tensor is worth halving: means, variances and biases are few and want digits."""
    return tensor.dtype == torch.float32 and tensor.dim() >= 2


def _told(path: Path, text: str) -> dict[str, Any]:
    """The JSON of our header, complete and of a layout that this version reads."""
    try:
        told = json.loads(text)
        schema = told["schema"]
    except (ValueError, KeyError, TypeError):
        raise WeightsError(
            f"the header of `{path}` is damaged", hint="get the file again"
        ) from None
    if schema != SCHEMA:
        raise WeightsError(
            f"`{path}` has layout {schema} of our own format, not {SCHEMA}",
            hint="use the version of tm that wrote it, or a newer one",
        )
    absent = [key for key in TOLD if key not in told]
    if absent:
        raise WeightsError(f"the header of `{path}` lacks {', '.join(absent)}")
    return told
