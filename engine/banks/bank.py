"""An identity bank: embeddings and ages of many people, as impostors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.core.errors import WeightsError
from engine.nets.protocols import IdentityNetwork

BIN = 5
FIRST = 18
"""Lower edge of bin 0 in years, as in published banks."""


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """Impostors, youngest first.

    embeddings: float32 (n, width), unit length; ages: float32 (n,) in years; sources: paths of the
    pictures relative to the bank's folder, or empty if unknown; embedder, digest: the network that
    embedded them, the digest None if unknown; bin_size: years.
    """

    embeddings: Tensor
    ages: Tensor
    sources: tuple[str, ...]
    embedder: str
    digest: str | None
    bin_size: int = BIN
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        count = len(self.ages)
        if self.embeddings.dim() != 2 or self.ages.shape != (len(self.embeddings),):
            shapes = tuple(self.embeddings.shape), tuple(self.ages.shape)
            raise ValueError(f"embeddings and ages are {shapes[0]} and {shapes[1]}")
        if len(self.sources) not in (0, count):
            raise ValueError(f"{len(self.sources)} sources do not go with {count} rows")
        if self.bin_size < 1:
            raise ValueError(f"a bin is at least a year wide, not {self.bin_size}")
        if bool((self.ages.diff() < 0).any()):
            raise ValueError("the rows of a bank are sorted by age")

    def __len__(self) -> int:
        return len(self.ages)

    @property
    def width(self) -> int:
        """Width of an embedding."""
        return self.embeddings.shape[1]

    def within(self, low: float, high: float) -> range:
        """The rows whose age is in [low, high]."""
        start = int(torch.searchsorted(self.ages, torch.tensor(low), side="left"))
        end = int(torch.searchsorted(self.ages, torch.tensor(high), side="right"))
        return range(start, max(start, end))

    def bins(self) -> dict[str, range]:
        """The rows of every non-empty bin, under names such as `18-22`: ages in [18, 23)."""
        bins = bin_of(self.ages, self.bin_size).numpy()
        numbers, starts, counts = np.unique(bins, return_index=True, return_counts=True)
        return {
            bin_name(int(number), self.bin_size): range(int(start), int(start + count))
            for number, start, count in zip(numbers, starts, counts, strict=True)
        }

    def bin_counts(self) -> dict[str, int]:
        """The number of faces in every non-empty bin."""
        return {name: len(rows) for name, rows in self.bins().items()}

    def require(self, identity_net: IdentityNetwork) -> None:
        """WeightsError unless this very network built the bank, as far as the bank names it."""
        ours = embedder_label(self.embedder, self.digest)
        theirs = embedder_label(identity_net.name, identity_net.digest)
        other = self.digest is not None and self.digest != identity_net.digest
        if self.embedder != identity_net.name or other:
            raise WeightsError(
                f"the bank was built by {ours}, and {theirs} is in use: their embeddings cannot be "
                "compared",
                hint="build the bank anew with `tm bank build`, or use the network that built it",
            )
        if self.width != identity_net.width:
            raise WeightsError(
                f"the bank's embeddings have {self.width} numbers, those of {theirs} "
                f"{identity_net.width}"
            )


def sorted_bank(
    embeddings: Tensor,
    ages: Tensor,
    sources: tuple[str, ...],
    *,
    embedder: str,
    digest: str | None,
    bin_size: int = BIN,
    facts: Mapping[str, Any] | None = None,
) -> Bank:
    """A bank of rows in any order; rows of equal age keep their order."""
    order = torch.argsort(ages.float(), stable=True)
    return Bank(
        embeddings.float()[order].contiguous(),
        ages.float()[order].contiguous(),
        tuple(sources[index] for index in order.tolist()) if sources else (),
        embedder,
        digest,
        bin_size,
        facts if facts is not None else {},
    )


def bin_of(ages: Tensor, size: int) -> Tensor:
    """The index of the bin of each age, int64; bin 0 begins at 18."""
    return torch.floor((ages.float() - FIRST) / size).long()


def bin_name(number: int, size: int) -> str:
    """The first and the last whole year of a bin.

    >>> bin_name(0, 5), bin_name(12, 5), bin_name(-4, 5)
    ('18-22', '78-82', '0-2')
    """
    low = FIRST + number * size
    return f"{max(low, 0)}-{low + size - 1}"


def embedder_label(name: str, digest: str | None) -> str:
    """Name and digest of an embedder, for messages."""
    return f"`{name}` ({digest})" if digest is not None else f"`{name}`"
