"""The most similar faces of a bank, by an exact search in torch or in FAISS."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from engine.banks.bank import Bank
from engine.core.errors import InputError
from engine.core.numbers import Span

Engine = Literal["torch", "faiss"]


class Nearest(NamedTuple):
    """Cosines (b, k), largest first, and the rows (b, k) of the bank they belong to."""

    similarity: Tensor
    rows: Tensor


def nearest(
    bank: Bank, queries: Tensor, k: int, *, ages: Span | None = None, engine: Engine = "torch"
) -> Nearest:
    """The `k` rows most similar to each of (b, width) unit vectors, or all if there are fewer.

    ages: look among the rows of these ages alone. `torch` is the specification; `faiss` gives the
    same rows. InputError if the bank holds nobody of these ages.
    """
    if k < 1:
        raise ValueError(f"{k} neighbours are none")
    if queries.shape[1:] != (bank.width,):
        raise ValueError(f"queries {tuple(queries.shape)} do not go with width {bank.width}")
    rows = range(len(bank)) if ages is None else bank.within(*ages)
    if not rows:
        raise InputError(f"the bank holds nobody of the ages {ages}")
    among = bank.embeddings[rows.start : rows.stop]
    search = _torch if engine == "torch" else _faiss
    found = search(among, queries.float().cpu(), min(k, len(rows)))
    return Nearest(found.similarity, found.rows + rows.start)


def _torch(among: Tensor, queries: Tensor, k: int) -> Nearest:
    return Nearest(*(queries @ among.T).topk(k, dim=1))


def _faiss(among: Tensor, queries: Tensor, k: int) -> Nearest:
    import faiss

    index = faiss.IndexFlatIP(among.shape[1])
    index.add(among.contiguous().numpy())  # pyright: ignore[reportCallIssue]
    similarity, rows = index.search(queries.contiguous().numpy(), k)  # pyright: ignore[reportCallIssue]
    return Nearest(torch.from_numpy(similarity), torch.from_numpy(rows))
