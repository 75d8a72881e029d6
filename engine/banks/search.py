"""The most similar faces of a bank, by an exact search in torch or in FAISS."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from engine.banks.bank import Bank
from engine.core.errors import InputError
from engine.core.numbers import Span

Engine = Literal["torch", "faiss"]


class Nearest(NamedTuple):
    """Cosines (b, k), largest first, and their rows (b, k) in the bank."""

    similarity: Tensor
    rows: Tensor


def nearest(
    bank: Bank, queries: Tensor, k: int, *, ages: Span | None = None, engine: Engine = "torch"
) -> Nearest:
    """The `k` rows most similar to each of (b, width) unit vectors, or all if there are fewer.

    ages: search the rows of these ages alone. `torch` is the reference; `faiss` returns the same
    rows. InputError if the bank holds no face of these ages.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if queries.shape[1:] != (bank.width,):
        raise ValueError(f"queries {tuple(queries.shape)} do not go with width {bank.width}")
    rows = range(len(bank)) if ages is None else bank.within(*ages)
    if not rows:
        raise InputError(f"the bank holds no face of the ages {ages}")
    embeddings = bank.embeddings[rows.start : rows.stop]
    search = _torch if engine == "torch" else _faiss
    result = search(embeddings, queries.float().cpu(), min(k, len(rows)))
    return Nearest(result.similarity, result.rows + rows.start)


def _torch(embeddings: Tensor, queries: Tensor, k: int) -> Nearest:
    return Nearest(*(queries @ embeddings.T).topk(k, dim=1))


def _faiss(embeddings: Tensor, queries: Tensor, k: int) -> Nearest:
    import faiss

    index = faiss.IndexFlatIP(embeddings.shape[1])
    index.add(embeddings.contiguous().numpy())  # pyright: ignore[reportCallIssue]
    similarity, rows = index.search(queries.contiguous().numpy(), k)  # pyright: ignore[reportCallIssue]
    return Nearest(torch.from_numpy(similarity), torch.from_numpy(rows))
