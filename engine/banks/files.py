"""Banks as files: our own safetensors, and the `.pt` of the MyTimeMachine fork."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.banks.bank import Bank, sorted_bank
from engine.core.errors import UsageError, WeightsError
from engine.core.jsontext import from_json, to_json
from engine.nets.named import load_identity_network
from engine.nets.protocols import IdentityNetwork
from engine.weights.load import read_tensors, require_sound
from engine.weights.signature import form_of
from engine.weights.tensors import read_safetensors, write_safetensors

HEADER = "tm_bank"
SCHEMA, BANK_SCHEMA = 1, 2
"""Layouts; a bank of layout 1 has its sources in the header, which holds 100 MB at most."""
SUFFIX = ".safetensors"
NUL = "\0"
BLOCK = 1 << 16
"""Rows that are checked at once."""
TOLERANCE = 1e-2
"""How far the length of a row may be from 1; half precision is off by a thousandth."""


def save_bank(path: Path, bank: Bank) -> None:
    """Write a bank atomically."""
    facts = {
        "embedder": bank.embedder,
        "digest": bank.digest,
        "bin_size": bank.bin_size,
        "facts": dict(bank.facts),
        "schema": BANK_SCHEMA,
    }
    tensors = {"embeddings": bank.embeddings, "ages": bank.ages}
    if bank.sources:
        text = NUL.join(bank.sources).encode("utf-8", "surrogateescape")
        tensors["sources"] = torch.from_numpy(np.frombuffer(text, np.uint8).copy())
    save_table(path, "bank", facts, tensors)


def read_bank(path: Path, *, embedder: str | None = None) -> Bank:
    """Read a bank of ours or a published one.

    embedder: the name of the network that built it. A published bank does not name it, and needs
    it (UsageError); WeightsError if ours names another, or if the file is damaged.
    """
    require_sound(path)
    if form_of(path) != "safetensors":
        return _published(path, embedder)
    facts, tensors = read_table(path, "bank")
    if embedder is not None and embedder != facts["embedder"]:
        raise WeightsError(f"`{path}` was built by `{facts['embedder']}`, not by `{embedder}`")
    embeddings, ages = tensors["embeddings"], tensors["ages"]
    _require_rows(path, embeddings, ages)
    try:
        return Bank(
            embeddings,
            ages,
            _sources(facts, tensors),
            facts["embedder"],
            facts["digest"],
            facts["bin_size"],
            facts["facts"],
        )
    except ValueError as error:
        raise WeightsError(f"`{path}` is damaged: {error}", hint="build it again") from None


def read_bank_for(
    path: Path, embedder: str | None, device: torch.device
) -> tuple[Bank, IdentityNetwork]:
    """A bank and the network to search it with: the one it names, unless another is given.

    Errors as of `read_bank` and `load_identity_network`; WeightsError if the two do not match.
    """
    if embedder is None:
        bank = read_bank(path)
        identity_net = load_identity_network(bank.embedder, device)
    else:
        identity_net = load_identity_network(embedder, device)
        bank = read_bank(path, embedder=identity_net.name)
    bank.require(identity_net)
    return bank, identity_net


def save_table(
    path: Path, kind: str, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Write tensors and JSON facts; `kind` distinguishes banks, anchors and prototypes."""
    require_suffix(path)
    text = to_json({"schema": SCHEMA, "kind": kind, **facts})
    write_safetensors(path, tensors, {"format": "pt", HEADER: text})


def require_suffix(path: Path) -> None:
    """UsageError for a path that does not end in .safetensors, to be called before the work."""
    if path.suffix != SUFFIX:
        raise UsageError(f"`{path}` must end in `{SUFFIX}`")


def read_table(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read the facts and tensors that `save_table` wrote; WeightsError for any other file."""
    require_sound(path)
    if form_of(path) != "safetensors":
        raise WeightsError(f"`{path}` is not a safetensors file")
    header, tensors = read_safetensors(path)
    try:
        facts = from_json(header.get(HEADER, "null"))
    except ValueError:
        raise WeightsError(f"the header of `{path}` is damaged", hint="build it again") from None
    if facts is None or facts.get("kind") != kind:
        content = "other tensors" if facts is None else f"`{facts.get('kind')}`"
        raise WeightsError(f"`{path}` holds {content}, not `{kind}`")
    newest = BANK_SCHEMA if kind == "bank" else SCHEMA
    if facts["schema"] not in (SCHEMA, newest):
        raise WeightsError(
            f"`{path}` has layout {facts['schema']}, not {newest}",
            hint="use the version of tm that wrote it, or a newer one",
        )
    return facts, tensors


def _published(path: Path, embedder: str | None) -> Bank:
    """Read `bins` and `ages`, both by `lo-hi`.

    Its own note of the embedder is ignored: it is `ir_se50` whether or not the faces were embedded
    at the size ArcFace was trained for.
    """
    content = read_tensors(path)
    bins, years = _tensors(content, "bins"), _tensors(content, "ages")
    if bins is None or years is None:
        raise WeightsError(f"`{path}` is no identity bank: it lacks `bins` or `ages` of tensors")
    if set(bins) != set(years):
        raise WeightsError(f"`{path}` is damaged: `bins` and `ages` are not of the same bins")
    names = [name for name in sorted(bins) if len(bins[name])]
    for name in names:
        if bins[name].dim() != 2 or years[name].shape != (len(bins[name]),):
            raise WeightsError(
                f"`{path}` is damaged: bin {name} holds {tuple(bins[name].shape)} embeddings and "
                f"{tuple(years[name].shape)} ages"
            )
    embeddings = torch.cat([torch.empty(0), *(bins[name].float() for name in names)])
    ages = torch.cat([torch.empty(0), *(years[name].float() for name in names)])
    _require_rows(path, embeddings, ages)
    if embedder is None:
        raise UsageError(
            f"`{path}` is a published bank, which does not name the network that built it",
            hint="name it with `--embedder`, such as `--embedder ir-se50`",
        )
    meta = content.get("meta")
    items = meta.items() if isinstance(meta, Mapping) else ()
    plain = {str(key): value for key, value in items if isinstance(value, str | int | float | bool)}
    return sorted_bank(
        embeddings,
        ages,
        (),
        embedder=embedder,
        digest=None,
        bin_size=int(plain.get("bin_size", 5)),
        facts={"published": plain},
    )


def _sources(facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    if facts["schema"] == SCHEMA:
        return tuple(facts["sources"])
    if "sources" not in tensors:
        return ()
    text = tensors["sources"].numpy().tobytes().decode("utf-8", "surrogateescape")
    return tuple(text.split(NUL))


def _tensors(content: Any, key: str) -> dict[str, Tensor] | None:
    """The tensors by bin under a key of a published bank; None if there are none."""
    value = content.get(key) if isinstance(content, Mapping) else None
    if not isinstance(value, Mapping) or not all(isinstance(one, Tensor) for one in value.values()):
        return None
    return {str(name): one for name, one in value.items()}


def _require_rows(path: Path, embeddings: Tensor, ages: Tensor) -> None:
    """WeightsError for rows that are not finite or not of length 1, with their number."""
    if not len(embeddings):
        raise WeightsError(f"`{path}` holds no face")
    fine = torch.cat([block.isfinite().all(dim=1) for block in embeddings.split(BLOCK)])
    broken = int((~(fine & ages.isfinite())).sum()) if len(fine) == len(ages) else 0
    if broken:
        raise WeightsError(
            f"{broken} of {len(fine)} rows of `{path}` are not numbers (NaN or infinite)",
            hint="build the bank again; with such rows every loss would be NaN",
        )
    lengths = torch.cat([block.float().norm(dim=1) for block in embeddings.split(BLOCK)])
    off = int(((lengths - 1).abs() > TOLERANCE).sum())
    if off:
        raise WeightsError(f"{off} of {len(fine)} rows of `{path}` are not of length 1")
