"""Banks as files: our own safetensors, and the `.pt` that was published (`specs/mytm.md` 4.1)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.banks.bank import Bank, sorted_bank
from engine.core.errors import UsageError, WeightsError
from engine.nets.named import load_identity_network
from engine.nets.protocols import IdentityNetwork
from engine.weights.load import read_tensors, require_sound
from engine.weights.signature import form_of
from engine.weights.tensors import read_safetensors, write_safetensors

HEADER = "tm_bank"
SCHEMA = 1
SUFFIX = ".safetensors"
TOLERANCE = 1e-2
"""How far the length of a row may be from 1: half precision is off by a thousandth."""


def save_bank(path: Path, bank: Bank) -> None:
    """Write a bank in one step."""
    told = {
        "embedder": bank.embedder,
        "digest": bank.digest,
        "bin_size": bank.bin_size,
        "sources": list(bank.sources),
        "facts": dict(bank.facts),
    }
    save_table(path, "bank", told, {"embeddings": bank.embeddings, "ages": bank.ages})


def read_bank(path: Path, *, embedder: str | None = None) -> Bank:
    """Read a bank of ours or a published one.

    embedder: the name of the network that built it; a published bank cannot tell and needs it
    (UsageError), and WeightsError if ours tells another. WeightsError also for what is damaged.
    """
    require_sound(path)
    if form_of(path) != "safetensors":
        return _published(path, embedder)
    told, tensors = read_table(path, "bank")
    if embedder is not None and embedder != told["embedder"]:
        raise WeightsError(f"`{path}` was built by `{told['embedder']}`, not by `{embedder}`")
    embeddings, ages = tensors["embeddings"], tensors["ages"]
    _require_rows(path, embeddings, ages)
    try:
        return Bank(
            embeddings,
            ages,
            tuple(told["sources"]),
            told["embedder"],
            told["digest"],
            told["bin_size"],
            told["facts"],
        )
    except ValueError as error:
        raise WeightsError(f"`{path}` is damaged: {error}", hint="build it again") from None


def read_bank_for(
    path: Path, embedder: str | None, device: torch.device
) -> tuple[Bank, IdentityNetwork]:
    """A bank with the network it is searched by: the one it names, unless another is given.

    Errors as of `read_bank` and of `load_identity_network`; WeightsError if the two do not fit.
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
    path: Path, kind: str, told: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Write tensors with what is told of them: `kind` keeps banks, anchors and others apart."""
    require_place(path)
    text = json.dumps({"schema": SCHEMA, "kind": kind, **told}, ensure_ascii=False)
    write_safetensors(path, tensors, {"format": "pt", HEADER: text})


def require_place(path: Path) -> None:
    """UsageError for a name that no file of ours has: better met before the work than after it."""
    if path.suffix != SUFFIX:
        raise UsageError(f"`{path}` must end in `{SUFFIX}`")


def read_table(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `save_table` wrote; WeightsError for a file of anything else."""
    require_sound(path)
    if form_of(path) != "safetensors":
        raise WeightsError(f"`{path}` is not a safetensors file")
    header, tensors = read_safetensors(path)
    try:
        told = json.loads(header.get(HEADER, "null"))
    except ValueError:
        raise WeightsError(f"the header of `{path}` is damaged", hint="build it again") from None
    if told is None or told.get("kind") != kind:
        found = "other tensors" if told is None else f"`{told.get('kind')}`"
        raise WeightsError(f"`{path}` holds {found}, not `{kind}`")
    if told["schema"] != SCHEMA:
        raise WeightsError(
            f"`{path}` has layout {told['schema']}, not {SCHEMA}",
            hint="use the version of tm that wrote it, or a newer one",
        )
    return told, tensors


def _published(path: Path, embedder: str | None) -> Bank:
    """`bins` and `ages`, both by `lo-hi`; its own note of the embedder is not to be trusted.

    It says `ir_se50` whether or not the faces were embedded at the size ArcFace was trained for.
    """
    content = read_tensors(path)
    bins, years = _tensors(content, "bins"), _tensors(content, "ages")
    if bins is None or years is None:
        raise WeightsError(f"`{path}` is no identity bank: it lacks `bins` or `ages` of tensors")
    if set(bins) != set(years):
        raise WeightsError(f"`{path}` is damaged: `bins` and `ages` are not of the same bins")
    rows = [name for name in sorted(bins) if len(bins[name])]
    if not rows:
        raise WeightsError(f"`{path}` holds no face")
    for name in rows:
        if bins[name].dim() != 2 or years[name].shape != (len(bins[name]),):
            raise WeightsError(
                f"`{path}` is damaged: bin {name} holds {tuple(bins[name].shape)} embeddings and "
                f"{tuple(years[name].shape)} ages"
            )
    embeddings = torch.cat([bins[name].float() for name in rows])
    ages = torch.cat([years[name].float() for name in rows])
    _require_rows(path, embeddings, ages)
    if embedder is None:
        raise UsageError(
            f"`{path}` is a published bank, which cannot tell the network that built it",
            hint="name it with `--embedder`, such as `--embedder ir-se50`",
        )
    meta = content.get("meta")
    told = meta.items() if isinstance(meta, Mapping) else ()
    plain = {str(key): value for key, value in told if isinstance(value, str | int | float | bool)}
    return sorted_bank(
        embeddings,
        ages,
        (),
        embedder=embedder,
        digest=None,
        bin_size=int(plain.get("bin_size", 5)),
        facts={"published": plain},
    )


def _tensors(content: Any, key: str) -> dict[str, Tensor] | None:
    """The tensors by bin under a key of a published bank; None if there are no such."""
    found = content.get(key) if isinstance(content, Mapping) else None
    if not isinstance(found, Mapping) or not all(isinstance(one, Tensor) for one in found.values()):
        return None
    return {str(name): one for name, one in found.items()}


def _require_rows(path: Path, embeddings: Tensor, ages: Tensor) -> None:
    """WeightsError for rows that are no directions, or no ages, with how many there are."""
    if not len(embeddings):
        raise WeightsError(f"`{path}` holds no face")
    fine = embeddings.isfinite().all(dim=1)
    broken = int((~(fine & ages.isfinite())).sum()) if len(fine) == len(ages) else 0
    if broken:
        raise WeightsError(
            f"{broken} of {len(fine)} rows of `{path}` are not numbers (NaN or infinite)",
            hint="build the bank again; with such rows every loss would be NaN",
        )
    off = int(((embeddings.float().norm(dim=1) - 1).abs() > TOLERANCE).sum())
    if off:
        raise WeightsError(f"{off} of {len(fine)} rows of `{path}` are not of length 1")
