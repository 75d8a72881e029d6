"""The rows of a bank within an age range, as masks of a fixed shape on the device."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from engine.banks.bank import FIRST, Bank
from engine.core.errors import UsageError
from engine.core.numbers import Span


@dataclass(frozen=True, slots=True)
class Reach:
    """Which faces a miner may compare.

    targets: target ages that occur, all if None; widest: age bins on each side of theirs;
    impostors: ages of the faces themselves, all if None.
    """

    targets: Span | None
    widest: int
    impostors: Span | None = None

    def __str__(self) -> str:
        span = self.impostors if self.impostors is not None else self.targets
        return f" for the ages {span}" if span is not None else ""


class Rows(NamedTuple):
    """Half-open range of rows for each face: int64 (b,)."""

    start: Tensor
    end: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class AgeRows:
    """The faces in reach of any target age within a window, youngest first.

    embeddings: float32 (n, width), ages: float32 (n,), both on the device; bin_size: years.
    """

    embeddings: Tensor
    ages: Tensor
    bin_size: int

    @classmethod
    def of(cls, bank: Bank, device: torch.device, to: Reach) -> "AgeRows":
        """Slice a bank to what a miner can reach; UsageError if that is empty.

        The bank is sorted by age, so this is one slice; cosines are computed with it alone.
        """
        rows = range(len(bank))
        if to.targets is not None:
            low, _ = reach(torch.tensor([to.targets.low]), bank.bin_size, to.widest)
            _, high = reach(torch.tensor([to.targets.high]), bank.bin_size, to.widest)
            start, end = torch.searchsorted(bank.ages, torch.cat([low, high])).tolist()
            rows = range(start, end)
        if to.impostors is not None:
            own = bank.within(to.impostors.low, to.impostors.high)
            rows = range(max(rows.start, own.start), min(rows.stop, own.stop))
        if not rows:
            raise UsageError(
                f"the bank holds no impostor{to}",
                hint="`tm bank info` lists its ages: build one of faces of these ages, or let the"
                " recipe take others by `miner.impostors`",
            )
        return cls(
            bank.embeddings[rows.start : rows.stop].to(device),
            bank.ages[rows.start : rows.stop].to(device),
            bank.bin_size,
        )

    def __len__(self) -> int:
        return len(self.ages)

    def within(self, ages: Tensor, radius: int) -> Rows:
        """The rows of each target age's bin and of `radius` bins on each side."""
        low, high = reach(ages, self.bin_size, radius)
        return Rows(torch.searchsorted(self.ages, low), torch.searchsorted(self.ages, high))


def reach(ages: Tensor, bin_size: int, radius: int) -> tuple[Tensor, Tensor]:
    """Inclusive lower and exclusive upper edge of the bins around ages (b,), in years."""
    own = torch.floor((ages.float() - FIRST) / bin_size)
    low = FIRST + (own - radius) * bin_size
    return low, low + (2 * radius + 1) * bin_size
